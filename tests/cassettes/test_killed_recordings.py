"""A recording that is killed loses nothing that it stored, and asks nothing twice."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tunebench.cassettes import CassetteFile, inspect, remove_cassette
from tunebench.cassettes.fingerprint import text_sha256

from .reviews import PROMPTS, TEXTS, answers, rows

# In a process of its own, which has done it once when it is told what to record. Each recording is
# a fork of it.
RECORDER = """\
import json, os, sys
from pathlib import Path
from tunebench.api import Client
from tunebench.cassettes import CassetteFile, item_index, use_cassette
from tunebench.errors import RequestError

def record(url, path, prompts, size, concurrency, shard_bytes):
    CassetteFile.shard_bytes = shard_bytes
    file = CassetteFile(Path(path), experiment="films", recording="m-1shot")
    file.start_recording()
    options = {"prompts_per_request": size, "concurrency": concurrency}
    items, fields = item_index(prompts), {"max_tokens": 1}
    with (
        Client(url, "sk", **options) as client,
        use_cassette(file, before_send=lambda: None, items=items, hint="") as cassette,
    ):
        texts = list(prompts.values())
        lacking = cassette.lacking("POST completions", {"model": "m", **fields}, texts)
        client.complete("m", lacking, fields)
    file.close()

try:
    record("http://127.0.0.1:9/v1", sys.argv[1], {"item": "a text"}, 1, 1, 1 << 25)
except RequestError:
    pass
for line in sys.stdin:
    child = os.fork()
    if not child:
        record(*json.loads(line))
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@dataclass
class Recorder:
    """Records what a cassette lacks, in a process that can be killed."""

    process: subprocess.Popen[str]
    url: str
    path: Path

    def start(self, size: int = 1, concurrency: int = 1, shard_bytes: int = 1 << 24) -> int:
        """Begin to record; gives the process to kill."""
        assert self.process.stdin is not None
        what = [self.url, str(self.path), PROMPTS, size, concurrency, shard_bytes]
        print(json.dumps(what), file=self.process.stdin, flush=True)
        return int(self._told())

    def end(self) -> int:
        """Wait for its end: 0 where all was recorded, or the signal that killed it."""
        return int(self._told())

    def _told(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    unused = tmp_path_factory.mktemp("unused") / "m-1shot.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", RECORDER, str(unused)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        yield process


@pytest.fixture
def recorder(loopback, path: Path, process: subprocess.Popen[str]) -> Recorder:
    return Recorder(process, loopback.url, path)


def whole_rows(path: Path) -> set[str]:
    """The prompts of rows whose line has an end."""
    rows = inspect(path).rows.values() if path.exists() else ()
    return {one.row.prompt for one in rows}


@pytest.mark.parametrize(("at", "concurrency"), [(1, 1), (17, 1), (23, 4), (45, 1)])
def test_a_recording_that_was_killed_at_a_request_goes_on_there(
    loopback, recorder: Recorder, open_file, path: Path, tmp_path: Path, at: int, concurrency: int
) -> None:
    killed, dead = threading.Event(), threading.Event()

    def kill_at_a_request(asked: Any) -> Any:
        if len(loopback.asked) >= at:
            if not killed.is_set():
                killed.set()
                os.kill(child, signal.SIGKILL)
            dead.wait(60)
        return loopback.complete(asked)

    loopback.answer = kill_at_a_request
    child = recorder.start(concurrency=concurrency)
    assert recorder.end() == -signal.SIGKILL
    dead.set()
    kept = whole_rows(path)
    assert at - concurrency <= len(kept) <= at - 1

    loopback.answer = loopback.complete
    loopback.asked.clear()
    recorder.start(size=20)
    assert recorder.end() == 0
    assert sum(len(asked.prompts) for asked in loopback.asked) == 45 - len(kept)
    whole = tmp_path / "whole.jsonl"
    recorder.path = whole
    recorder.start(size=20)
    assert recorder.end() == 0
    assert len(rows(whole)) == 45
    assert answers(path) == answers(whole)
    list(open_file().rows())


@pytest.mark.parametrize("shard_bytes", [1 << 24, 2000])
def test_recordings_that_are_killed_at_any_moment_lose_nothing_and_ask_nothing_twice(
    loopback, recorder: Recorder, path: Path, said, shard_bytes: int
) -> None:
    """Eight times, or as often as TUNEBENCH_KILLS says."""
    kills = int(os.environ.get("TUNEBENCH_KILLS", "8"))
    chance = random.Random(os.environ.get("TUNEBENCH_KILLS_SEED"))
    stored: set[str] = set()
    asked_twice: list[str] = []
    killed = completed = lost = 0

    def answer(asked: Any) -> Any:
        try:
            prompts = asked.prompts
        except ValueError:  # who sent the half of a request is dead
            return said(b"", cut_off=True)
        asked_twice.extend(text for text in prompts if text_sha256(text) in stored)
        return loopback.complete(asked)

    loopback.answer = answer
    while killed < kills:
        until = len(loopback.asked) + chance.randint(0, 12)
        child = recorder.start(size=chance.choice([1, 1, 3]), concurrency=chance.choice([1, 4]),
                               shard_bytes=shard_bytes)  # fmt: skip
        started = time.monotonic()
        while len(loopback.asked) < until and time.monotonic() < started + 0.2:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.01))
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        ended = recorder.end()
        assert ended in (0, -signal.SIGKILL)
        kept = whole_rows(path)
        lost += len(stored - kept)
        stored |= kept
        killed += ended != 0
        if len(kept) == len(PROMPTS):
            file = CassetteFile(path, experiment="films", recording="m-1shot")
            assert sorted(one.row.item or "" for one in file.rows()) == sorted(PROMPTS)
            file.close()
            completed += 1
            stored.clear()
            remove_cassette(path)
    print(f"{killed} killed, {completed} cassettes completed, {len(loopback.asked)} requests")
    assert (lost, asked_twice) == (0, [])


def test_what_a_killed_recording_left_is_replayed(
    loopback, recorder: Recorder, replaying, path: Path
) -> None:
    def kill_at_the_tenth(asked: Any) -> Any:
        if len(loopback.asked) == 10:
            os.kill(child, signal.SIGKILL)
        return loopback.complete(asked)

    loopback.answer = kill_at_the_tenth
    child = recorder.start()
    recorder.end()
    with path.open("ab") as file:
        file.write(b'{"prompt":"0123')  # a row that was being written
    with replaying(PROMPTS) as (client, _):
        (reply,) = client.complete("m", TEXTS[:9], {"max_tokens": 1})
    assert [answer.text for answer in reply.answers] == list(map(loopback.text_of, TEXTS[:9]))
