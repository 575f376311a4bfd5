"""A cell of many texts: what of each is kept in memory, and how it is replayed."""

import gc
import json
import random
import tracemalloc
from itertools import islice
from pathlib import Path

import pytest

from tunebench import Experiment, replay
from tunebench.analysis import details
from tunebench.cassettes import CassetteFile, RecordedCassette
from tunebench.cassettes.fingerprint import fingerprint
from tunebench.cassettes.lines import rows_for
from tunebench.evaluation import many_items
from tunebench.evaluation.connections import Connections
from tunebench.evaluation.items_writing import note_items
from tunebench.evaluation.requests import text_requests
from tunebench.evaluation.rules import rule_of

FEW, MORE = 20_000, 60_000
# It is 210. A text of 59 bytes, its item id and where both end, and its label: 99. Its row's
# key and place, and the mark that it was played: 33. The rest is what was read of it, and its place
# in the judgements and the results.
MOST_BYTES = 240

TASK = """\
[task]
name = "many"
dataset = "train.csv"
test_dataset = "test.csv"
labels = ["Negative", "Positive"]
instruction = "Is this sentence Positive or Negative?"
test_size = {texts}

[provider.mock]
base_url = "http://127.0.0.1:9/v1"
endpoint = "completions"
supports = ["lists"]

[[model]]
name = "mock"
provider = "mock"

[matrix]
shots = [0]
train_sizes = []
"""


@pytest.fixture(autouse=True)
def many_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done from 100,000 texts on, or from 16 MiB, is done here from a few on."""
    monkeypatch.setattr(CassetteFile, "shard_bytes", 1 << 20)
    monkeypatch.setattr(many_items, "MANY", FEW)
    monkeypatch.setattr(details, "_MOST_LISTED", 0)


def recorded(folder: Path, texts: int) -> Path:
    """An experiment with a cell whose answers are recorded."""
    made = folder / "benchmarks" / "many"
    made.mkdir(parents=True)
    (folder / ".git").mkdir()
    for name, count in (("train", 100), ("test", texts)):
        rows = (f"{number:08} {name} {'of these texts ' * 3},{label(number)}\n"
                for number in range(count))  # fmt: skip
        (made / f"{name}.csv").write_text("text,label\n" + "".join(rows))
    (made / "experiment.toml").write_text(TASK.format(texts=texts))
    experiment = Experiment.read(made / "experiment.toml")
    (cell,) = experiment.cells
    client = Connections().client(experiment, "mock", recording=False)
    (request,) = text_requests(cell, rule_of(cell, client))
    body = json.dumps({"model": "mock", **request.fields}).encode()
    line = fingerprint("POST", "completions", body).line("", "mock")
    with_ids = iter(request.hashes.items())
    file = CassetteFile(cell.cassette, experiment="many", recording=cell.recording)
    file.start_recording()
    while some := list(islice(with_ids, 20)):
        items, hashes = zip(*some, strict=True)
        answers = [{"text": " Posi", "finish_reason": "stop"} for _ in hashes]
        latency_ms = 10 + len(file) % 977 / 7
        file.append(line, rows_for(line, hashes, answers, items, latency_ms=latency_ms))
    file.close()
    note_items(cell, [request])
    return made


def label(number: int) -> str:
    return random.Random(number).choice(["Negative", "Positive"])


def most_memory(experiment: Path) -> int:
    """The most bytes that Python's objects take while an experiment is replayed."""
    gc.collect()
    tracemalloc.start()
    try:
        results = replay(experiment)
        assert results.cells["n"].tolist() == [results.cells["n"].max()]
        assert not len(results.errors)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_replay_keeps_a_few_hundred_bytes_of_a_text(tmp_path: Path) -> None:
    few, more = (recorded(tmp_path / str(texts), texts) for texts in (FEW, MORE))
    replay(few)  # what is imported and made once is there
    grown = most_memory(more) - most_memory(few)
    assert grown / (MORE - FEW) < MOST_BYTES


def test_a_replay_asks_in_long_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    play = RecordedCassette.play_response

    def counting(cassette: RecordedCassette, request: object) -> object:
        counted.append(request)
        return play(cassette, request)

    monkeypatch.setattr(RecordedCassette, "play_response", counting)
    assert replay(recorded(tmp_path, 1000)).cells["n"].tolist() == [1000]
    assert len(counted) == 5
