"""A progress bar for what takes longer than a breath."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def progress_bar(
    title: str, total: int, suspended_capture: AbstractContextManager[Any]
) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error while recording.

    Args:
        title: what is recorded.
        total: how many texts it takes.
        suspended_capture: a context in which standard error reaches the terminal.

    Yields:
        A function to call with the number of further texts done.
    """
    with suspended_capture, tqdm(total=total, desc=title, unit="text", leave=True) as bar:

        def advance(texts: int) -> None:
            bar.update(texts)

        yield advance
