"""Cassettes that are in use in several threads at once."""

import threading
from pathlib import Path

import httpx2
import pytest

from tunebench.api import Client
from tunebench.cassettes import CassetteFile, use_cassette
from tunebench.errors import CassetteMissError


def test_each_thread_records_into_its_own_and_plays_from_it(loopback, tmp_path: Path) -> None:
    names = [f"thread {number}" for number in range(4)]
    together = threading.Barrier(len(names), timeout=30)
    played: dict[str, list[str]] = {}

    def work(name: str) -> None:
        prompts = [f"{name}, prompt {number}" for number in range(30)]
        for before_send in (lambda: None, None):
            file = CassetteFile(tmp_path / f"{name}.jsonl", experiment="e", recording=name)
            if before_send:
                file.start_recording()
            with (
                Client(loopback.url, "sk", prompts_per_request=1, concurrency=3) as client,
                use_cassette(file, before_send=before_send, items={}, hint=""),
            ):
                together.wait()
                replies = client.complete("m", prompts, {})
                played[name] = [answer.text for reply in replies for answer in reply.answers]
                together.wait()
            file.close()
        assert played[name] == list(map(loopback.text_of, prompts))

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(played) == names
    assert len(loopback.asked) == 4 * 30
    for name in names:
        assert len(CassetteFile(tmp_path / f"{name}.jsonl", experiment="e", recording=name)) == 30


def test_a_thread_without_a_cassette_is_left_alone(loopback, tmp_path: Path) -> None:
    file = CassetteFile(tmp_path / "c.jsonl", experiment="e", recording="c")
    file.start_recording()
    status: list[int] = []

    def ask() -> None:
        body = {"model": "m", "prompt": "of another"}
        status.append(httpx2.post(f"{loopback.url}/completions", json=body).status_code)

    with use_cassette(file, before_send=lambda: None, items={}, hint=""):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert (status, len(file)) == ([200], 0)
    file.close()


def test_one_inside_another_is_in_use_until_it_ends(loopback, tmp_path: Path) -> None:
    files = [CassetteFile(tmp_path / n, experiment="e", recording=n) for n in ("a", "b")]
    files[1].start_recording()
    with (
        Client(loopback.url, "sk") as client,
        use_cassette(files[0], before_send=None, items={}, hint=""),
    ):
        with use_cassette(files[1], before_send=lambda: None, items={}, hint=""):
            client.complete("m", ["a prompt"], {})
        with pytest.raises(CassetteMissError):
            client.complete("m", ["a prompt"], {})
    files[1].close()
    assert len(files[1]) == 1
