"""Evaluation: protocols, scoring, results."""

from crs_gym.evaluation.results import Results, read_results
from crs_gym.evaluation.run import evaluate, results_from_traces

__all__ = ["Results", "evaluate", "read_results", "results_from_traces"]
