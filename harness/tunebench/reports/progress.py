"""Progress bars and lines on standard error."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, contextmanager
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


class Progress:
    """Shows the progress of a cell's recording: answered texts, uploads, steps of a job."""

    def __init__(self, title: str, total: int) -> None:
        self._title = title
        self._total = total
        self._texts: tqdm[Any] | None = None
        self._upload: tqdm[Any] | None = None
        self._steps: tqdm[Any] | None = None

    def answered(self, texts: int) -> None:
        """Further texts were answered."""
        if self._texts is None:
            self.close()
            self._texts = _bar(total=self._total, desc=self._title, unit="text")
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


@contextmanager
def shown_progress(
    title: str, total: int, suspended_capture: AbstractContextManager[Any]
) -> Iterator[Progress]:
    """Show progress on standard error.

    Args:
        title: what is recorded.
        total: how many texts it takes.
        suspended_capture: a context in which standard error reaches the terminal.
    """
    with suspended_capture:
        progress = Progress(title, total)
        try:
            yield progress
        finally:
            progress.close()
