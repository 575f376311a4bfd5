"""Recordings that tests share: made by the first that needs one, and copied by the others."""

import copy
import hashlib
from pathlib import Path
from typing import Any

_OTHERS = {".pytest_cache", "__pycache__"}


class Recordings:
    """What inner runs have recorded in this process, by the files and the provider they had."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[dict[str, bytes], dict[str, Any]]] = {}

    def record(self, project: Any, *options: str, **outcomes: int) -> None:
        """Record a project as its own run would, with nothing asked of its provider since.

        Args:
            project: has the folder `root`, the provider `loopback`, perhaps its `jobs`, and `run`.
            options: of the run.
            outcomes: of its cases; without any, none has an error.
        """
        provider = project.loopback
        before = _files(project.root)
        asked = [options, provider.answer.__qualname__, *_without(provider.url, before)]
        key = hashlib.sha256(repr(asked).encode()).hexdigest()
        jobs = vars(project.jobs) if hasattr(project, "jobs") else {}
        if key not in self._kept:
            done = project.run("--record=missing", *options)
            if outcomes:
                done.assert_outcomes(**outcomes)
            assert "errors" not in done.parseoutcomes(), done.stdout.str()
            made = {name: content for name, content in _files(project.root).items()
                    if name not in before}  # fmt: skip
            state = {name: value for name, value in jobs.items() if not callable(value)}
            self._kept[key] = made, copy.deepcopy(state)
        else:
            made, state = self._kept[key]
            for name, content in made.items():
                path = project.root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            jobs.update(copy.deepcopy(state))
        provider.asked.clear()


def _files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not _OTHERS & set(path.parts)
    }


def _without(url: str, files: dict[str, bytes]) -> list[tuple[str, bytes]]:
    return sorted((name, content.replace(url.encode(), b"")) for name, content in files.items())
