"""Conformance: what crs-gym counts on in an environment, a simulator, an agent and a world, checked.

For authors of plug-ins, in their own tests:

    from crs_gym.testing import check_simulator

    def test_conformance() -> None:
        check_simulator("my_package.users:MINE")

Each function raises `crs_gym.errors.ConformanceError`, which names the check and the way out. The checks by name are in
`ENV_CHECKS`, `SIMULATOR_CHECKS`, `AGENT_CHECKS` and `WORLD_CHECKS`.
"""

from crs_gym.testing.agent_checks import AGENT_CHECKS, check_agent
from crs_gym.testing.env_checks import ENV_CHECKS, check_env
from crs_gym.testing.simulator_checks import SIMULATOR_CHECKS, check_simulator
from crs_gym.testing.world_checks import WORLD_CHECKS, check_world

__all__ = [
    "AGENT_CHECKS",
    "ENV_CHECKS",
    "SIMULATOR_CHECKS",
    "WORLD_CHECKS",
    "check_agent",
    "check_env",
    "check_simulator",
    "check_world",
]
