"""From answers to evidence."""

from harness.scoring.judge import judge
from harness.scoring.statistics import majority_rate, wilson_interval

__all__ = ["judge", "majority_rate", "wilson_interval"]
