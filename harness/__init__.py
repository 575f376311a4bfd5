"""tunebench: does fine-tuning beat prompting on my labelled task?

A benchmark for pytest: one test case for each model × shots × training size, with the API's
traffic in cassettes, so that a recorded experiment replays offline.
"""

from harness.errors import TunebenchError
from harness.experiment import Cell, Experiment

__all__ = ["Cell", "Experiment", "TunebenchError"]
