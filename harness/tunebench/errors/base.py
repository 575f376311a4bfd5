"""The errors that users see: one class for each thing that a caller would catch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.errors.text import printable

if TYPE_CHECKING:
    import os


class TunebenchError(Exception):
    """The base class of all errors that a user can cause or fix.

    ``str()`` gives one sentence, ``where: problem; hint.``. It is one line, safe to print, and
    holds no API key, whatever text from elsewhere it quotes. The plugin turns the error into a
    collection error, or into a failed test while tests run; the command line prints it and exits
    with 2.

    Attributes:
        problem: what is wrong, a clause without a full stop.
        where: the file (with line or table), the cell or the item; None if there is none.
        hint: how to fix it, a clause; None if the problem makes that plain.
    """

    def __init__(
        self, problem: str, *, where: str | os.PathLike[str] | None = None, hint: str | None = None
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.where = None if where is None else str(where)
        self.hint = hint

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        hint = f"; {self.hint}" if self.hint else ""
        sentence = f"{place}{self.problem}{hint}"
        return printable(sentence if sentence.endswith((".", "?")) else f"{sentence}.")


class ConfigurationError(TunebenchError):
    """A setting that is not known or has a wrong value."""


class ExperimentError(TunebenchError):
    """An experiment file that cannot be read, or that contradicts itself."""


class DatasetError(TunebenchError):
    """Labelled texts or a training file that cannot be read, used or written."""


class RequestError(TunebenchError):
    """A request that was refused or failed, or whose answer cannot be used.

    Attributes:
        prompt: the position of the prompt that was refused, from 0; None if it is not known which,
            or if none is at fault.
    """

    prompt: int | None = None


class JobError(RequestError):
    """A fine-tuning job that failed, was cancelled or cannot be used."""


class CassetteError(TunebenchError):
    """A cassette that cannot be read, written or trusted."""


class CassetteMissError(CassetteError):
    """An answer that no cassette holds."""


class NetworkBlockedError(TunebenchError, ConnectionError):
    """A connection that a replay tried to open."""


class RecordingError(TunebenchError):
    """A recording that cannot start or go on: a missing key, the budget, a model."""


class CellError(TunebenchError):
    """A cell that has no result, or a result that cannot be judged or compared."""


class ResultsError(TunebenchError):
    """Results, a baseline or a report that cannot be read, made or written."""


class UsageError(TunebenchError):
    """Arguments of a command that cannot be used."""
