"""The experiment file: its schema, its checks, and the cells that it makes."""

from tunebench.experiment.experiment import Cell, Experiment
from tunebench.experiment.limits import Limit
from tunebench.experiment.schema import LIMITS, DecisionRule, Model, Prices, Provider

__all__ = [
    "LIMITS",
    "Cell",
    "DecisionRule",
    "Experiment",
    "Limit",
    "Model",
    "Prices",
    "Provider",
]
