"""The experiment file: its schema, its checks, and the cells that it makes."""

from tunebench.experiment.experiment import Cell, Experiment
from tunebench.experiment.finding import read_experiments
from tunebench.experiment.limits import Limit
from tunebench.experiment.schema import (
    LIMITS,
    OVERRIDABLE,
    DecisionRule,
    EmbeddingRival,
    Model,
    Prices,
    Provider,
)

__all__ = [
    "LIMITS",
    "OVERRIDABLE",
    "Cell",
    "DecisionRule",
    "EmbeddingRival",
    "Experiment",
    "Limit",
    "Model",
    "Prices",
    "Provider",
    "read_experiments",
]
