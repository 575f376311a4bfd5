"""Progress bars and lines on standard error."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tqdm import tqdm

from tunebench.errors import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_T = TypeVar("_T")

_BAR_AFTER_SECONDS = 2.0
_LOG_SECONDS = 30.0


def waited_for(
    things: Iterable[_T], title: str, unit: str, total: int | None = None
) -> Iterator[_T]:
    """Go through things, with a bar on a terminal's standard error after two seconds.

    Args:
        things: are given one by one.
        title: what is done.
        unit: what one of them is called.
        total: how many there are, if they cannot be counted.
    """
    bar = tqdm(
        things,
        desc=title,
        unit=unit,
        total=total,
        delay=_BAR_AFTER_SECONDS,
        disable=None,
        leave=False,
        file=sys.stderr,
    )
    return iter(bar)


class _Log:
    """A stream that shows a bar in lines: one at its end, and one every 30 seconds before."""

    def __init__(self) -> None:
        self._shown = ""
        self._next = time.monotonic() + _LOG_SECONDS

    def write(self, text: str) -> None:
        self._shown = text.strip() or self._shown
        now = time.monotonic()
        if self._shown and (text == "\n" or now >= self._next):
            sys.stderr.write(f"{self._shown}\n")
            self._shown, self._next = "", now + _LOG_SECONDS

    def flush(self) -> None:
        sys.stderr.flush()


def _bar(**settings: Any) -> tqdm[Any]:
    """A bar that stays; in a log, which keeps every carriage return, it is lines."""
    return tqdm(file=sys.stderr if sys.stderr.isatty() else _Log(), leave=True, **settings)


@dataclass
class WholeRun:
    """What is left of all that a run records.

    Attributes:
        left: texts; those that were answered before count until their cell's turn.
    """

    left: int
    _sent: int = 0
    _seconds: float = 0.0
    _last: float = 0.0

    def begin(self, texts: int) -> None:
        """A cell begins, with texts that were answered before."""
        self.left -= texts
        self._last = time.monotonic()

    def answered(self, texts: int) -> None:
        """Further texts were answered."""
        now = time.monotonic()
        self.left -= texts
        self._sent += texts
        self._seconds += now - self._last
        self._last = now

    def __str__(self) -> str:
        if self.left <= 0 or not self._sent:
            return ""
        seconds = self.left * self._seconds / self._sent
        return f"whole run: {self.left:,} texts left, about {tqdm.format_interval(seconds)}"


class Progress:
    """Shows the progress of a cell's recording: answered texts, uploads, steps of a job."""

    def __init__(self, title: str, total: int, run: WholeRun | None = None) -> None:
        self._title = title
        self._total = total
        self._run = run or WholeRun(0)
        self._texts: tqdm[Any] | None = None
        self._upload: tqdm[Any] | None = None
        self._steps: tqdm[Any] | None = None

    def answered(self, texts: int) -> None:
        """Further texts were answered."""
        if self._texts is None:
            self.close()
            self._texts = _bar(total=self._total, desc=self._title, unit="text")
            self._run.begin(texts)
        else:
            self._run.answered(texts)
        self._texts.set_postfix_str(str(self._run), refresh=False)
        self._texts.update(texts)

    def say(self, message: str) -> None:
        """Print a line."""
        if self._upload is not None:
            self.close()
        tqdm.write(printable(message), file=sys.stderr)

    def uploading(self, name: str, size: int) -> Callable[[int], None]:
        """A file is being uploaded; call the result with each number of bytes sent."""
        self.close()
        bar = self._upload = _bar(total=size, desc=f"upload {name}", unit="B", unit_scale=True)

        def sent(count: int) -> None:
            # The form around a file is sent too, and a file that is sent again is sent twice.
            bar.total = max(size, bar.n + count)
            bar.update(count)

        return sent

    def trained(self, name: str, step: int, total: int | None, message: str) -> None:
        """A job has taken a step; the total is None while it is not known."""
        if self._steps is None:
            self.close()
            self._steps = tqdm(total=total, desc=name, unit="step", leave=True)
        # The bar shows the step's number.

        shown = printable(message.partition(": ")[2] or message)
        self._steps.set_postfix_str(shown, refresh=False)
        self._steps.total = total
        # A job that was interrupted goes back to an earlier step.
        self._steps.update(step - self._steps.n)

    def close(self) -> None:
        """End the bars."""
        for bar in (self._texts, self._upload, self._steps):
            if bar is not None:
                bar.close()
        self._texts = self._upload = self._steps = None


class SharedProgress:
    """One bar for cells that are recorded side by side, from any thread."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self._changing = threading.Lock()

    def answered(self, texts: int) -> None:
        """Further texts of any cell were answered."""
        with self._changing:
            self._shown.answered(texts)

    def say(self, message: str) -> None:
        """Print a line."""
        with self._changing:
            self._shown.say(message)

    def uploading(self, *_: object) -> Callable[[int], None]:
        """Nothing: several files may be uploaded at once."""
        return lambda _: None

    def trained(self, *_: object) -> None:
        """Nothing: several jobs may be running, and a line says when each ends."""


@contextmanager
def shown_progress(
    title: str,
    total: int,
    suspended_capture: AbstractContextManager[Any],
    run: WholeRun | None = None,
) -> Iterator[Progress]:
    """Show progress on standard error.

    Args:
        title: what is recorded.
        total: how many texts it takes.
        suspended_capture: a context in which standard error reaches the terminal.
        run: what is left of the whole run, of which this is a part.
    """
    with suspended_capture:
        progress = Progress(title, total, run)
        try:
            yield progress
        finally:
            progress.close()
