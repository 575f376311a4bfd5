"""Rivals of the fine-tuned models of an experiment, on the same training and test rows.

They train on all rows of a training size, since what is tuned is tuned by cross-validation on them.
A rival is a file of its own that ends in a `Rival`, and an entry of `RIVALS`.
"""

from __future__ import annotations

import importlib.util
from functools import partial
from typing import TYPE_CHECKING

from tunebench.analysis.rivals.base import Predicted, Rival
from tunebench.analysis.rivals.embeddings import embedding_rival
from tunebench.analysis.rivals.majority import MAJORITY
from tunebench.analysis.rivals.tf_idf import TF_IDF
from tunebench.errors import ConfigurationError, ExperimentError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tunebench.experiment import EmbeddingRival, Experiment

    Embed = Callable[[Experiment, EmbeddingRival], Mapping[str, bytes]]

__all__ = [
    "INSTALL",
    "RIVALS",
    "Predicted",
    "Rival",
    "is_installed",
    "require_libraries",
    "rivals_for",
]

RIVALS = (MAJORITY, TF_IDF)
INSTALL = "pip install 'tunebench[rivals]'"


def rivals_for(experiment: Experiment, embed: Embed) -> list[Rival]:
    """The rivals of an experiment: those of the list, and one for each of its `[[rival]]` tables.

    Args:
        experiment: the experiment.
        embed: gives the embeddings of such a table by text.

    Raises:
        ExperimentError: a table has the name of one of the list.
    """
    found = list(RIVALS)
    for position, table in enumerate(experiment.embedding_rivals, 1):
        rival = embedding_rival(table, partial(embed, experiment, table))
        if rival.name in [other.name for other in RIVALS]:
            raise ExperimentError(
                f"the name {table.name!r} makes {rival.name!r}, which every experiment has",
                where=f"{experiment.path}: [[rival]] {position}",
                hint="rename it",
            )
        found.append(rival)
    return found


def is_installed(rival: Rival) -> bool:
    """Whether a rival's library is there."""
    return rival.module is None or importlib.util.find_spec(rival.module) is not None


def require_libraries() -> None:
    """Check that the libraries of all rivals are installed.

    Raises:
        ConfigurationError: one is not.
    """
    for rival in RIVALS:
        if not is_installed(rival):
            raise ConfigurationError(
                f"--rivals needs {rival.library}, which is not installed",
                hint=f"install it with {INSTALL}",
            )
