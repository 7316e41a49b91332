"""`python -m crs_gym.cli`, for where the script `crs-gym` is not on the path."""

from crs_gym.cli.main import main

main()
