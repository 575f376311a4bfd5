"""From answers to evidence."""

from harness.scoring.judge import judge
from harness.scoring.statistics import (
    majority_rate,
    mcnemar_mid_p,
    paired_bootstrap,
    wilson_interval,
)

__all__ = ["judge", "majority_rate", "mcnemar_mid_p", "paired_bootstrap", "wilson_interval"]
