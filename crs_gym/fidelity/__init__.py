"""Is a simulator like a person, and right? Words, taste, behaviour, cooperation and leaks, with people beside.

report = fidelity("agenda", world="redial", out="runs/agenda-fidelity")
report.section("taste").row("auc_liked_matched").simulator
"""

from crs_gym.fidelity.findings import Report, read_findings
from crs_gym.fidelity.run import fidelity

__all__ = ["Report", "fidelity", "read_findings"]
