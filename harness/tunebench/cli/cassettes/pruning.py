"""Removal of rows and cassettes that no cell uses, where that is certain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunebench.cassettes import (
    lock,
    prune_shards,
    remove_cassette,
    shards_of,
    without_rows,
)
from tunebench.errors import CassetteError, UsageError
from tunebench.files import whole_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tunebench.cli.cassettes.verification import Verified
    from tunebench.experiment import Experiment


@dataclass(frozen=True)
class Pruned:
    """The change to a cassette.

    Attributes:
        path: the file.
        action: ``remove``, ``rewrite`` or ``leave``.
        sentence: the change and its reason.
        keys: of the rows to remove where it is rewritten.
    """

    path: Path
    action: str
    sentence: str
    keys: tuple[str, ...] = ()


def planned(experiment: Experiment, found: Iterable[Verified]) -> Iterator[Pruned]:
    """The changes to verified cassettes, and those that are left alone although not used."""
    for one in found:
        path, file = one.path, one.file
        if file is None:
            continue
        if not one.recording and file.header.get("experiment") != experiment.name:
            why = f"left alone, since it is not a cassette of {experiment.name!r}"
            yield Pruned(path, "leave", f"{path}: {why}.")
        elif not one.recording:
            why = f"removed with its {len(file.rows)} rows, since no cell uses it"
            yield Pruned(path, "remove", f"{path}: {why}.")
        elif one.unplayed is None:
            why = "left alone, since its replay stops before its end"
            yield Pruned(path, "leave", f"{path}: {why}.")
        elif one.unplayed or file.torn:
            rows = len(file.numbers(one.unplayed))
            what = [f"{rows} unused rows"] if rows else []
            what += ["the torn last line"] if file.torn else []
            sentence = f"{path}: rewritten without {' and '.join(what)}."
            yield Pruned(path, "rewrite", sentence, tuple(one.unplayed))


def carry_out(plan: Pruned) -> Pruned:
    """Change a cassette as planned, unless it is being recorded; the change that was made.

    Raises:
        TunebenchError: the file cannot be removed or written; it is unchanged.
    """
    if plan.action == "leave":
        return plan
    path = plan.path
    try:
        with path.open("rb") as file:
            try:
                lock(file.fileno(), path)
            except CassetteError as error:
                return Pruned(path, "leave", f"{error} It was left alone.")
            if plan.action == "remove":
                remove_cassette(path)
                return plan
            if shards_of(path):
                prune_shards(path, plan.keys)
                return plan
            with whole_files([path], overwrite=True) as (new,):
                # Read after locking: what another process recorded in between is kept.
                new.writelines(without_rows(file, plan.keys))
    except OSError as error:
        raise UsageError(
            f"the cassette cannot be changed ({error.strerror}) and is as it was",
            where=path,
            hint="make its folder writable",
        ) from error
    return plan
