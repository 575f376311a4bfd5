"""Cassettes of format 1 turned into the current format, without asking anyone."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunebench.cassettes import (
    STORED_PARAMETERS,
    CassetteFile,
    converted,
    first_format_header,
)
from tunebench.cli.verification import recordings_of
from tunebench.errors import CassetteError, TunebenchError
from tunebench.evaluation import Runner, orphans
from tunebench.files import whole_files
from tunebench.wire import Asked, Usage, composed, parsed, read_answers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tunebench.cassettes import Converted
    from tunebench.experiment import Cell, Experiment

_HINT = "record it with `tunebench record`"


@dataclass(frozen=True)
class Upgraded:
    """A cassette that was turned into the current format.

    Attributes:
        path: the file.
        requests: rows of format 1 that count.
        rows: what they became.
        problem: why its cell does not replay, a sentence; empty where it does.
    """

    path: Path
    requests: int
    rows: int
    problem: str


def upgraded(experiment: Experiment) -> Iterator[Upgraded]:
    """Upgrade an experiment's cassettes of format 1, also those that no cell uses.

    Each answer is read back and must read as it did; only then is the file put in place.

    Raises:
        TunebenchError: a cassette is damaged, or cannot be written; it is as it was.
    """
    known = recordings_of(experiment)
    paths: dict[Path, Cell | None] = {**known, **dict.fromkeys(orphans(experiment))}
    done: list[tuple[Path, Cell | None, int, int]] = []
    for path, cell in paths.items():
        header = first_format_header(path) if path.exists() else None
        if header is not None:
            done.append((path, cell, *_upgrade(path, header, _unstored(experiment, cell))))
    with closing(Runner()) as runner:
        for path, cell, requests, rows in done:
            yield Upgraded(path, requests, rows, _replayed(runner, path, cell))


def _unstored(experiment: Experiment, cell: Cell | None) -> dict[str, Any]:
    """What a cell's requests hold that no cassette stores: fields of its model's `parameters`."""
    parameters = experiment.models[cell.model].parameters if cell else {}
    return {name: value for name, value in parameters.items() if name not in STORED_PARAMETERS}


def _upgrade(path: Path, header: dict[str, Any], fields: dict[str, Any]) -> tuple[int, int]:
    requests = rows = 0
    names = {name: header[name] for name in ("experiment", "recording")}
    part = path.with_name(f"{path.name}.upgrade")
    part.unlink(missing_ok=True)
    file = CassetteFile(part, **names)
    try:
        file.start_recording()
        for one in converted(path, fields):
            requests += 1
            rows += file.append(one.line, one.rows)
            _check(path, one, file)
        file.close()
        content = part.read_bytes() if part.exists() else b""
        with whole_files([path], overwrite=True) as (new,):
            new.write(content)
    finally:
        file.close()
        part.unlink(missing_ok=True)
    return requests, rows


def _check(path: Path, one: Converted, file: CassetteFile) -> None:
    """Read back what was written, as a replay does."""
    for row in one.rows if one.answers else ():
        position = (file.find(one.line.digest, [bytes.fromhex(row.prompt)]) or [0])[0]
        stored = file.answer(position)
        fields = {"model": "", **(stored.request.parameters or {})}
        body = composed([stored.answer], "", "", Usage())
        asked = Asked.of(one.line.endpoint, fields, 1)
        if read_answers(parsed(body), asked).answers != (one.answers[row.prompt],):
            raise CassetteError(
                f"{path}, line {one.number}: the answer for {row.item} does not read as it did, so "
                "the cassette was left as it is; another answer for it may stand in a line before."
            )


def _replayed(runner: Runner, path: Path, cell: Cell | None) -> str:
    if cell is None:
        return ""
    try:
        if path == cell.job_cassette:
            runner.fine_tuned(cell, _HINT)
        else:
            runner.evaluate(cell, _HINT)
    except TunebenchError as error:
        return str(error)
    return ""
