"""The report: run folders as one HTML page that needs nothing but a browser."""

from crs_gym.leaderboard.page import write_report

__all__ = ["write_report"]
