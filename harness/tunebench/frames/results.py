"""Results with data frames, of a replay or of what `pytest --results` wrote."""

from __future__ import annotations

import html
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tunebench.errors import ResultsError, UsageError
from tunebench.experiment import Experiment, read_experiments
from tunebench.frames import tables
from tunebench.reports import read_results, typed_results
from tunebench.settings import repository_of

if TYPE_CHECKING:
    import os

    import pandas as pd

    from tunebench.reports import Answer
    from tunebench.reports import Results as Document

_SHOWN = ["experiment", "cell", "kind", "n", "accuracy", "ci_low", "ci_high", "verdict"]


class Results:
    """The results of one experiment or more.

    `replay` and `load_results` make it. Frames have the same columns and types whether they have
    rows or not: text is ``string``, a count ``Int64``, a number ``float64`` (NaN where it is not
    known), a time ``datetime64[ns, UTC]``. Labels are names. ``kind`` is ``prompted``,
    ``fine-tuned`` or ``rival``.
    """

    def __init__(self, document: Document) -> None:
        self._document = document

    @cached_property
    def cells(self) -> pd.DataFrame:
        """A row for each cell: what it is, its accuracy with interval, scores, tokens and costs.

        The columns are those of ``results.csv``, and ``kind``.
        """
        return tables.cells(self._document)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """A row for each answer to a test text, of all cells, then of the rivals.

        The columns are ``experiment``, ``cell`` (of a rival its name in words), ``kind``,
        ``model``, ``train_size``, ``item``, ``place`` (in the user's file, as ``tickets.csv, line
        12``; missing where that is not known), ``group``, ``label``, ``prediction`` (missing where
        the answer stated no label), ``correct``, and ``probability``, that of the prediction.
        """
        return tables.predictions(self._document)

    @cached_property
    def uplifts(self) -> pd.DataFrame:
        """A row for each comparison of two cells on the same texts, with its paired test.

        `replay` compares what limits compare, and each cell of a fine-tuned model with the best
        prompted cell of that model; `load_results` has the comparisons that the tests made.
        """
        return tables.uplifts(self._document)

    @cached_property
    def rivals(self) -> pd.DataFrame:
        """A row for each rival and training size."""
        return tables.rivals(self._document)

    @cached_property
    def errors(self) -> pd.DataFrame:
        """A row for each cell without a result; ``cell`` is missing for what else failed."""
        return tables.errors(self._document)

    @property
    def answers(self) -> list[Answer]:
        """The answer of each experiment that has one."""
        return list(self._document.answers)

    @property
    def answer(self) -> Answer | None:
        """The answer of the experiment; None if there is none.

        Raises:
            ResultsError: there are several; see `answers`.
        """
        if len(self._document.answers) > 1:
            names = ", ".join(answer.experiment for answer in self._document.answers)
            raise ResultsError(
                f"there is an answer of each experiment ({names})", hint="take one of `answers`"
            )
        return next(iter(self._document.answers), None)

    def __repr__(self) -> str:
        return f"<Results {self._summary}>"

    @property
    def _summary(self) -> str:
        document = self._document
        names = ", ".join(about.name for about in document.experiments)
        lacking = sum(error.cell is not None for error in document.errors)
        parts = [
            f"of {names}: {len(document.cells)} cells",
            *([f"{lacking} without a result"] if lacking else []),
            *(answer.badge for answer in document.answers if answer.badge),
        ]
        return ", ".join(parts)

    def _repr_html_(self) -> str:
        """For notebooks: the answers and a short table of the cells."""
        sentences = [answer.sentence for answer in self._document.answers]
        sentences += [error.error for error in self._document.errors if error.error]
        lines = [f"<p>{html.escape(line)}</p>" for line in (self._summary, *sentences)]
        table = self.cells[_SHOWN].to_html(index=False, float_format="{:.3f}".format)
        return "\n".join([*lines, table])


def replay(*experiments: str | os.PathLike[str] | Experiment) -> Results:
    """Replay experiments from their cassettes, in this process and offline.

    Files are read as they are now, however often this is called. Nothing is recorded or written,
    and no pytest runs: limits are judged, and assertions of test files are not.

    Args:
        experiments: experiment files, folders with ``experiment.toml`` in them or below, or
            experiments, whose files are read again; if left out ``benchmarks``, or those of this
            folder.

    Raises:
        TunebenchError: an argument is not a path, an experiment cannot be read, or none of the
            cells has a result. Single cells without a result are in ``errors``.
    """
    # Late: loading results needs none of this.
    from tunebench.analysis import replayed

    paths = [
        _path_of(
            one.path if isinstance(one, Experiment) else one,
            "give each experiment as an argument, as in replay(a, b) or replay(*paths)",
        )
        for one in experiments
    ]
    read = read_experiments(paths)
    first = read[0].path.absolute().parent
    document = replayed(read, repository_of(first) or Path.cwd())
    if not document.cells:
        why = next((error.error for error in document.errors if error.error), "")
        raise ResultsError(
            f"no cell has a result to replay ({why.rstrip('.')})", where=read[0].path
        )
    return Results(document)


def load_results(path: str | os.PathLike[str]) -> Results:
    """Load what ``pytest --results`` wrote.

    Args:
        path: the folder, or its ``results.json``.

    Raises:
        UsageError: it is not a path.
        ResultsError: there are none, they are of version 1, or a field of them is wrong.
    """
    path = _path_of(path, "give one folder, and call load_results for each")
    return Results(typed_results(read_results(path), path))


def _path_of(given: str | os.PathLike[str], hint: str) -> Path:
    try:
        return Path(given)
    except TypeError:
        kind = type(given).__name__
        raise UsageError(f"an argument is a {kind}, and not a path", hint=hint) from None
