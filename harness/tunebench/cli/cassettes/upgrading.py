"""Conversion of cassettes from format 1 to the current format, without a provider."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from tunebench.cassettes import STORED_PARAMETERS, CassetteFile, converted, first_format_header
from tunebench.cli.cassettes.verification import recordings_of, replay_problems
from tunebench.errors import CassetteError
from tunebench.evaluation import Runner, orphans
from tunebench.files import whole_files
from tunebench.wire import Asked, Usage, composed, parsed, read_answers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from tunebench.cassettes import Converted
    from tunebench.experiment import Cell, Experiment


def upgraded(experiment: Experiment) -> Iterator[tuple[Path, int, int, str]]:
    """Upgrade an experiment's cassettes of format 1, also those that no cell uses.

    Each answer is read back and must be the same; only then is the file replaced.

    Yields:
        The file, its requests in format 1, its rows now, and why its cell does not replay: a
        sentence, or an empty string.

    Raises:
        TunebenchError: a cassette is damaged, or cannot be written; it is unchanged.
    """
    known = recordings_of(experiment)
    paths = {**known, **dict.fromkeys(orphans(experiment), ())}
    done: list[tuple[Path, tuple[Cell, ...], int, int]] = []
    for path, cells in paths.items():
        header = first_format_header(path) if path.exists() else None
        if header is not None:
            done.append((path, cells, *_upgrade(path, header, _unstored(experiment, cells))))
    with closing(Runner()) as runner:
        for path, cells, requests, rows in done:
            yield path, requests, rows, " ".join(replay_problems(runner, path, cells))


def _unstored(experiment: Experiment, cells: Sequence[Cell]) -> dict[str, Any]:
    """The fields of a model's `parameters` that cells' requests hold and no cassette stores."""
    parameters = experiment.models[cells[0].model].parameters if cells else {}
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
    """Read the answers back as a replay does, and compare them."""
    for row in one.rows if one.answers else ():
        position = (file.find(one.line.digest, [bytes.fromhex(row.prompt)]) or [0])[0]
        stored = file.answer(position)
        fields = {"model": "", **(stored.request.parameters or {})}
        body = composed([stored.answer], "", "", Usage())
        asked = Asked.of(one.line.endpoint, fields, 1)
        if read_answers(parsed(body), asked).answers != (one.answers[row.prompt],):
            raise CassetteError(
                f"the answer for {row.item} would change, so the cassette was not upgraded",
                where=f"{path}, line {one.number}",
                hint="look for another answer to it in a line before",
            )
