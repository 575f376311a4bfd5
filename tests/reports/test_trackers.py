import json
import struct
import sys

import pytest

from tunebench.errors import ResultsError
from tunebench.reports.trackers import to_tensorboard, to_wandb
from tunebench.statistics import read_curve

CONFIG = {"id": "ftjob-1", "hyperparameters": {"n_epochs": 2}}
SUMMARY = {"status": "succeeded", "fine_tuned_model": "ft:m"}
HISTORY = {
    1: {"training_loss": 0.75},
    2: {"training_loss": 0.25, "classification/accuracy": 0.875},
    3: {"training_loss": 0.125},
}


@pytest.fixture
def curve():
    content = b"step,training_loss,validation_loss,classification/accuracy,note\n"
    return read_curve(content + b"1,0.75,,,a\n2,0.25,,0.875,b\n3,0.125,,,\n")


@pytest.fixture
def wandb(monkeypatch, tmp_path):
    """Weights & Biases in its offline mode, without an account."""
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    yield wandb
    wandb.teardown()


def wandb_records(folder):
    """The records of an offline run, of the kind LevelDB logs them; short ones only."""
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    content, at = path.read_bytes(), 7
    assert len(content) < 32_768
    while at < len(content):
        (size,) = struct.unpack_from("<H", content, at + 4)
        yield Record.FromString(content[at + 7 : at + 7 + size])
        at += 7 + size


def tensorboard_events(folder):
    from tensorboardX.proto.event_pb2 import Event

    (path,) = folder.iterdir()
    content, at = path.read_bytes(), 0
    while at < len(content):
        (size,) = struct.unpack_from("<Q", content, at)
        yield Event.FromString(content[at + 12 : at + 12 + size])
        at += 16 + size


def scalars(events):
    found = {}
    for event in events:
        for value in event.summary.value:
            if value.HasField("simple_value"):
                found.setdefault(event.step, {})[value.tag] = value.simple_value
    return found


def items(entries):
    return {"/".join([e.key] if e.key else e.nested_key): json.loads(e.value_json) for e in entries}


def test_a_curve_goes_to_wandb_without_an_account(wandb, curve, tmp_path):
    where = to_wandb(curve, project="p", name="m-ft300", config=CONFIG, summary=SUMMARY)
    assert where.startswith(str(tmp_path / "wandb" / "offline-run-"))
    wandb.teardown()  # its process may write until it ends
    records = list(wandb_records(tmp_path))
    # What is known of a run may be recorded in several pieces.
    runs = [record.run for record in records if record.HasField("run")]
    assert (runs[0].project, runs[0].display_name) == ("p", "m-ft300")
    config = {}
    for run in runs:
        config |= items(run.config.update)
    assert {name: config[name] for name in CONFIG} == CONFIG
    history = {}
    for record in records:
        if record.HasField("history"):
            logged = items(record.history.item)
            step = logged.pop("_step")
            history[step] = {n: v for n, v in logged.items() if not n.startswith("_")}
    assert history == HISTORY
    summary = {}
    for record in records:
        if record.HasField("summary"):
            summary |= items(record.summary.update)
    final = {"training_loss": 0.125, "classification/accuracy": 0.875, **SUMMARY}
    assert {name: summary[name] for name in final} == final


def test_without_a_key_the_error_names_the_offline_mode(wandb, curve, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(ResultsError, match=r"'m-ft300' \(.*\); log in .* WANDB_MODE=offline\.$"):
        to_wandb(curve, project="p", name="m-ft300", config=CONFIG, summary=SUMMARY)


def test_a_curve_goes_to_an_event_file(curve, tmp_path):
    pytest.importorskip("tensorboardX")
    to_tensorboard(curve, tmp_path / "runs" / "m-ft300", config=CONFIG)
    events = list(tensorboard_events(tmp_path / "runs" / "m-ft300"))
    assert scalars(events) == HISTORY
    texts = [v for e in events for v in e.summary.value if v.HasField("tensor")]
    assert '"n_epochs": 2' in texts[0].tensor.string_val[0].decode()


def test_tensorboard_reads_the_event_file(curve, tmp_path):
    pytest.importorskip("tensorboardX")
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    to_tensorboard(curve, tmp_path, config=CONFIG)
    accumulator = reader.EventAccumulator(str(tmp_path))
    accumulator.Reload()
    found = [(event.step, event.value) for event in accumulator.Scalars("training_loss")]
    assert found == [(1, 0.75), (2, 0.25), (3, 0.125)]


def test_a_run_is_not_mixed_with_another(curve, tmp_path):
    pytest.importorskip("tensorboardX")
    to_tensorboard(curve, tmp_path, config=CONFIG)
    (before,) = tmp_path.iterdir()
    with pytest.raises(ResultsError, match=r"written there already; .*--force"):
        to_tensorboard(curve, tmp_path, config=CONFIG)
    assert list(tmp_path.iterdir()) == [before]
    to_tensorboard(curve.head(1), tmp_path, config=CONFIG, replace=True)
    assert scalars(tensorboard_events(tmp_path)) == {1: HISTORY[1]}


def test_a_folder_that_cannot_be_written_is_named(curve, tmp_path):
    pytest.importorskip("tensorboardX")
    (tmp_path / "file").touch()
    with pytest.raises(ResultsError, match=r"file/run: .*name a folder"):
        to_tensorboard(curve, tmp_path / "file" / "run", config=CONFIG)


def test_wandb_is_named_with_its_extra_where_it_is_missing(curve, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ResultsError, match=r"wandb is not .* install 'tunebench\[wandb\]'\.$"):
        to_wandb(curve, project="p", name="n", config=CONFIG, summary=SUMMARY)


def test_tensorboard_is_named_with_its_extra_where_it_is_missing(curve, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ResultsError, match=r"is not .* install 'tunebench\[tensorboard\]'\.$"):
        to_tensorboard(curve, tmp_path / "run", config=CONFIG)
    assert not (tmp_path / "run").exists()
