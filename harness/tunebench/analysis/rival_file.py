"""The file of the rivals' predictions, beside the cassettes of an experiment.

It is JSON lines, each but the first with a checksum, as in a cassette. One line holds the test
texts, as item ids and hashes, and each of the others a rival's predictions for them::

    {"rivals": 1, "experiment": "imdb"}
    {"texts":"<16 hex digits>","items":[...],"sha256":["<16>",...],"crc32":"<8>"}
    {"rival":"majority class","train_size":300,"train_sha256":"<64>",...,"crc32":"<8>"}
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from tunebench.cassettes import checked_fields, line_of, text_sha256
from tunebench.errors import CassetteError
from tunebench.files import whole_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_VERSION = 1
_DIGITS = 16  # of a text's hash: enough to tell a change
_RESTORE = "restore the file from version control, or delete it and record again"


@dataclass(frozen=True)
class RecordedRival:
    """A rival's predictions after a training.

    Attributes:
        rival: its name.
        train_size: the training size.
        train_sha256: the hash of the training rows, see `rows_sha256`.
        made_of: what else decides the predictions.
        items: ids of the test texts.
        texts: the hashes of the test texts, see `short_sha256`.
        predictions: a label id for each test text.
        parameters: what was chosen in the training.
        library: the distribution that trained it; empty for none.
        versions: of that library, and of those that it computes with.
    """

    rival: str
    train_size: int
    train_sha256: str
    made_of: Mapping[str, Any]
    items: Sequence[str]
    texts: Sequence[str]
    predictions: Sequence[int]
    parameters: Mapping[str, Any]
    library: str
    versions: Mapping[str, str]

    def predictions_for(self, texts: Iterable[str]) -> list[int] | None:
        """The predictions for texts, given by their hashes; None if one of them has none."""
        known = dict(zip(self.texts, self.predictions, strict=True))
        found = [known.get(text) for text in texts]
        return None if None in found else found  # type: ignore[return-value]


_KINDS: dict[str, type] = {
    "rival": str, "train_size": int, "train_sha256": str, "made_of": dict, "texts": str,
    "predictions": list, "parameters": dict, "library": str, "versions": dict,
}  # fmt: skip


def short_sha256(text: str) -> str:
    """The hash of a test text."""
    return text_sha256(text)[:_DIGITS]


def rows_sha256(
    texts: Sequence[str], labels: Sequence[int], sizes: Sequence[int]
) -> dict[int, str]:
    """The hash (hex) of the first training rows, texts and label ids, of each training size."""
    digest, found, start = hashlib.sha256(), {}, 0
    for size in sorted(sizes):
        for text, label in zip(texts[start:size], labels[start:size], strict=True):
            content = text.encode("utf-8", "surrogatepass")
            digest.update(b"%d %d " % (label, len(content)) + content)
        start, found[size] = size, digest.copy().hexdigest()
    return found


def read_rivals(path: Path, experiment: str) -> list[RecordedRival] | None:
    """The recorded rivals of an experiment; None if there is no file.

    Raises:
        CassetteError: the file cannot be read, is of another experiment, or a line is damaged.
    """
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CassetteError(
            f"the rivals cannot be read ({error.strerror})",
            where=path,
            hint="put a regular file there that can be read",
        ) from error
    _check_header(path, lines[0] if lines else b"", experiment)
    texts: dict[str, tuple[list[str], list[str]]] = {}
    found = []
    for number, line in enumerate(lines[1:], 2):
        try:
            content = checked_fields(line)
            if isinstance(content, dict) and "items" in content:
                texts[content["texts"]] = content["items"], content["sha256"]
            else:
                found.append(_rival(content, texts))
        except (ValueError, KeyError, TypeError) as error:
            why = str(error) if type(error) is ValueError else "its fields are others"
            raise CassetteError(
                f"the line is damaged ({why})", where=f"{path}, line {number}", hint=_RESTORE
            ) from None
    return found


def write_rivals(path: Path, experiment: str, rivals: Iterable[RecordedRival]) -> None:
    """Write the recorded rivals of an experiment, in the place of those that are there.

    Raises:
        CassetteError: the file cannot be written.
    """
    lines = [json.dumps({"rivals": _VERSION, "experiment": experiment}).encode() + b"\n"]
    written = set()
    for one in rivals:
        id_ = hashlib.sha256(json.dumps([*one.items, *one.texts]).encode()).hexdigest()[:_DIGITS]
        if id_ not in written:
            written.add(id_)
            texts = {"texts": id_, "items": list(one.items), "sha256": list(one.texts)}
            lines.append(line_of(texts))
        values = {field.name: getattr(one, field.name) for field in fields(one)} | {"texts": id_}
        lines.append(line_of({name: _KINDS[name](values[name]) for name in _KINDS}))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_files([path], overwrite=True) as (file,):
            file.writelines(lines)
    except OSError as error:
        raise CassetteError(
            f"the rivals cannot be written ({error.strerror})",
            where=path,
            hint="make that folder one that can be written to",
        ) from error


def _check_header(path: Path, line: bytes, experiment: str) -> None:
    try:
        header = json.loads(line)
        version, name = header["rivals"], header["experiment"]
    except (ValueError, TypeError, KeyError, RecursionError):
        problem, hint = "this is not a file of rivals", _RESTORE
    else:
        if version == _VERSION and name == experiment:
            return
        if version == _VERSION:
            problem, hint = f"the rivals belong to the experiment {name!r}", _RESTORE
        else:
            problem = f"the rivals have format version {version!r} and this tunebench reads "
            problem += str(_VERSION)
            hint = "install the version that wrote it, or delete it and record again"
    raise CassetteError(problem, where=f"{path}, line 1", hint=hint)


def _rival(content: Any, texts: Mapping[str, tuple[list[str], list[str]]]) -> RecordedRival:
    if tuple(content) != tuple(_KINDS):
        raise KeyError
    for name, kind in _KINDS.items():
        if type(content[name]) is not kind:
            raise ValueError(f"the field {name} is not of its kind")
    items, hashes = texts[content["texts"]]
    predictions = content["predictions"]
    if not len(predictions) == len(items) == len(hashes):
        raise ValueError("there is not one prediction for each text")
    if not all(type(label) is int and label >= 0 for label in predictions):
        raise ValueError("a prediction is not a label id")
    return RecordedRival(**content | {"items": items, "texts": hashes})
