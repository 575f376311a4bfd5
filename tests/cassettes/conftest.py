from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tunebench.api import Client
from tunebench.cassettes import CassetteFile, RecordedCassette, item_index, use_cassette

from .job_cassettes import RecordedJob


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a cassette may lie."""
    return tmp_path / "cassettes" / "m-1shot.jsonl"


@pytest.fixture
def open_file(path: Path) -> Iterator[Callable[..., CassetteFile]]:
    """Open the cassette at `path`, or another; closed at the end."""
    files: list[CassetteFile] = []

    def open_file(path: Path = path, *, record: bool = False) -> CassetteFile:
        files.append(CassetteFile(path, experiment="films", recording="m-1shot"))
        if record:
            files[-1].start_recording()
        return files[-1]

    yield open_file
    for file in files:
        file.close()


@pytest.fixture
def recording(loopback, open_file, path: Path) -> Callable[..., Any]:
    """A client whose answers are recorded: ``with recording(prompts) as (client, cassette)``."""

    @contextmanager
    def recording(
        prompts: dict[str, str], *, where: Path = path, **options: Any
    ) -> Iterator[tuple[Client, RecordedCassette]]:
        file = open_file(where, record=True)
        with (
            Client(loopback.url, "sk-secret-key", **options) as client,
            use_cassette(
                file, before_send=lambda: None, items=item_index(prompts), hint="record it"
            ) as cassette,
        ):
            yield client, cassette
        file.close()

    return recording


@pytest.fixture
def replaying(loopback, open_file, path: Path) -> Callable[..., Any]:
    """A client that the cassette answers: ``with replaying(prompts) as (client, cassette)``."""

    @contextmanager
    def replaying(
        prompts: dict[str, str], *, where: Path = path, **options: Any
    ) -> Iterator[tuple[Client, RecordedCassette]]:
        file = open_file(where)
        with (
            Client(loopback.url, "replay", **options) as client,
            use_cassette(
                file,
                before_send=None,
                items=item_index(prompts),
                hint="record it with `pytest --record=missing`",
            ) as cassette,
        ):
            yield client, cassette
        file.close()

    return replaying


@pytest.fixture
def job(jobs, loopback, tmp_path: Path) -> RecordedJob:
    """A fine-tuning job and its cassette, not yet recorded."""
    return RecordedJob(tmp_path / "jobs" / "m-ft10.jsonl", loopback.url, jobs)
