"""The users of crs-gym: plug-ins that `crs_gym` finds through the entry points `crs_gym.simulators`."""
