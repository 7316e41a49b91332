"""Wrappers around the single environment: other things to do with the same game."""

from crs_gym.wrappers.record import RecordTraces

__all__ = ["RecordTraces"]
