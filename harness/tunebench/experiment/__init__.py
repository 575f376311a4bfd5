"""The experiment file: its schema, its checks, and the cells that it makes."""

from tunebench.experiment.experiment import Cell, Experiment
from tunebench.experiment.fields import DecisionRule
from tunebench.experiment.finding import default_folder, read_experiments
from tunebench.experiment.limits import Limit
from tunebench.experiment.models import OVERRIDABLE, EmbeddingRival, Model, Prices, Provider
from tunebench.experiment.schema import LIMITS

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
    "default_folder",
    "read_experiments",
]
