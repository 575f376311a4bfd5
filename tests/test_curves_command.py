import base64
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunebench.cassettes.fingerprint import digest_of, text_sha256
from tunebench.cassettes.lines import RequestLine, Row
from tunebench.cassettes.store import CassetteFile
from tunebench.cli import main
from tunebench.errors import ResultsError
from tunebench.statistics import read_curve

CONTENT = """\
step,elapsed_tokens,elapsed_examples,training_loss,training_token_accuracy,validation_loss,\
validation_sequence_accuracy,classification/accuracy,classification/precision,\
classification/recall,classification/auroc,classification/auprc,classification/f1.0
1,100,8,0.75,0.5,,,,,,,,
2,210,16,0.25,0.625,0.5,0.75,0.75,0.6,0.7,,0.8,0.65
3,330,24,0.125,1.0,,,,,,,,
4,440,32,0.375,1.0,0.25,0.875,0.875,0.8,0.9,0.95,0.96,0.85
"""
JOB = {
    "id": "ftjob-7",
    "object": "fine_tuning.job",
    "created_at": 1000,
    "finished_at": 1090,
    "model": "tiny",
    "fine_tuned_model": "ft:tiny:tunebench:x:7",
    "result_files": ["file-9"],
    "status": "succeeded",
    "trained_tokens": 440,
    "hyperparameters": {"n_epochs": 2},
    "error": None,
}
RUNNING = JOB | {
    "finished_at": None,
    "fine_tuned_model": None,
    "result_files": [],
    "status": "running",
    "trained_tokens": None,
}
TABLE = """\
job         tiny-ft300, ftjob-7
model       tiny
status      succeeded
fine-tuned  ft:tiny:tunebench:x:7
tokens      440
minutes     1.5

step  training loss  validation loss  sequence accuracy  accuracy  precision  recall     f1  auroc  auprc
   2         0.5000           0.5000              0.750     0.750      0.600   0.700  0.650      -  0.800
   4         0.2500           0.2500              0.875     0.875      0.800   0.900  0.850  0.950  0.960
"""  # noqa: E501


def curves(*arguments):
    return main(["curves", *map(str, arguments)])


def event(number, **data):
    return {
        "id": f"ftevent-{number}",
        "object": "fine_tuning.job.event",
        "created_at": 1000 + number // 2,
        "level": "info",
        "message": f"event {number}",
        "type": "metrics" if data else "message",
        "data": data,
    }


def answered(number, endpoint, body):
    line = RequestLine(digest_of(endpoint, {}), endpoint)
    prompt = text_sha256(str(number))
    came = "2026-11-22T20:00:00+00:00"
    return line, [Row(prompt, line.id, None, came, 1.0, 1, (None, None), body)]


@pytest.fixture
def record(tmp_path):
    """Write the cassette of a job from endpoints and bodies."""

    def write(*answers, name="tiny-ft300"):
        path = tmp_path / "jobs" / f"{name}.jsonl"
        cassette = CassetteFile(path, experiment="imdb", recording=f"{name} (job)")
        cassette.start_recording()
        for number, answer in enumerate(answers):
            cassette.append(*answered(number, *answer))
        cassette.close()
        return path

    return write


@pytest.fixture
def cassette(record):
    return record(
        ("POST files", {"id": "file-1"}),
        ("POST fine_tuning/jobs", RUNNING),
        ("GET fine_tuning/jobs/ftjob-7", RUNNING),
        ("GET fine_tuning/jobs/ftjob-7/events?limit=100", {"data": [], "has_more": False}),
        ("GET fine_tuning/jobs/ftjob-7", JOB),
        ("GET fine_tuning/jobs/ftjob-7/checkpoints", {"data": []}),
        ("GET files/file-9/content", CONTENT),
    )


@pytest.fixture
def results(tmp_path):
    def cell(model, rule, size, accuracy):
        return {
            "model": model,
            "shots": 0,
            "train_size": size,
            "decision_rule": rule,
            "accuracy": accuracy,
            "ci_low": max(accuracy - 0.1, 0.0),
            "ci_high": min(accuracy + 0.1, 1.0),
            "n": 100,
        }

    cells = [
        cell("tiny", "text", 0, 0.1),
        cell("tiny", "text", 2000, 1.0),
        cell("tiny", "text", 300, 0.5),
        cell("small", "label_logprobs", 300, 0.75),
    ]
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"version": 1, "cells": cells, "errors": []}))
    return path


@pytest.fixture
def provider(loopback, said):
    """A provider with one job; its answers can be changed."""
    loopback.jobs = {"/v1/fine_tuning/jobs/ftjob-7": JOB}
    loopback.jobs["/v1/files/file-9/content"] = base64.b64encode(CONTENT.encode())

    def answer(asked):
        if asked.path in loopback.jobs:
            return said(loopback.jobs[asked.path])
        return said({"error": {"message": f"nothing at {asked.path}"}}, 404)

    loopback.answer = answer
    return loopback


def texts(path):
    root = ET.parse(path).getroot()
    return {"".join(node.itertext()).strip() for node in root.iter() if node.tag.endswith("}text")}


def test_a_job_is_shown_by_epochs(cassette, capsys):
    assert curves(cassette) == 0
    assert capsys.readouterr().out == TABLE


def test_a_job_can_be_asked_of_its_provider(provider, capsys):
    assert curves("ftjob-7", "--base-url", provider.url) == 0
    assert capsys.readouterr().out == TABLE.replace("tiny-ft300, ", "")
    assert {asked.headers["authorization"] for asked in provider.asked} == {"Bearer none"}


def test_the_key_comes_from_the_variable_that_is_named(provider, monkeypatch, capsys):
    monkeypatch.setenv("MY_KEY", "sesame")
    monkeypatch.setenv("OPENAI_API_KEY", "not-this-one")
    assert curves("ftjob-7", "--base-url", provider.url, "--api-key-env", "MY_KEY") == 0
    assert provider.asked[0].headers["authorization"] == "Bearer sesame"
    monkeypatch.delenv("MY_KEY")
    assert curves("ftjob-7", "--base-url", provider.url, "--api-key-env", "MY_KEY") == 2
    assert "the environment variable MY_KEY, which is not set; set it" in capsys.readouterr().err


def test_the_older_place_of_hyperparameters_and_the_newer_are_read(record, capsys):
    method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 5}}}
    path = record(
        ("GET fine_tuning/jobs/ftjob-7", JOB | {"method": method}),
        ("GET files/file-9/content", CONTENT),
    )
    curves(path, "--json")
    assert json.loads(capsys.readouterr().out)["job"]["hyperparameters"] == {"n_epochs": 5}


def test_a_job_that_runs_is_shown_from_its_events(provider, capsys):
    events = [
        event(1),
        event(2, step=1, train_loss=0.75, train_mean_token_accuracy=0.5, total_steps=4),
        event(3, step=2, train_loss=0.25, valid_loss=0.5),
        event(4, step=3, train_loss=0.125),
    ]
    path = "/v1/fine_tuning/jobs/ftjob-7"
    provider.jobs[path] = RUNNING
    newest_first = events[::-1]
    provider.jobs[f"{path}/events?limit=100"] = {"data": newest_first[:2], "has_more": True}
    rest = {"data": newest_first[2:], "has_more": False}
    provider.jobs[f"{path}/events?after=ftevent-3&limit=100"] = rest
    assert curves("ftjob-7", "--base-url", provider.url, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["job"]["status"] == "running"
    assert said["job"]["minutes"] is None
    assert [row["step"] for row in said["rows"]] == [1, 2, 3]
    assert [row["training_loss"] for row in said["rows"]] == [0.75, 0.25, 0.125]
    assert said["rows"][1]["validation_loss"] == 0.5
    assert said["rows"][0]["validation_loss"] is None
    curves("ftjob-7", "--base-url", provider.url)
    assert capsys.readouterr().out.splitlines()[-1].split() == ["2", "0.5000", "0.5000"]


def test_a_cassette_without_a_result_file_is_shown_from_its_events(record, capsys):
    newest_first = [event(3, step=2, train_loss=0.25), event(2, step=1, train_loss=0.75), event(1)]
    path = record(
        ("GET fine_tuning/jobs/ftjob-7", RUNNING),
        ("GET fine_tuning/jobs/ftjob-7/events?limit=100", {"data": newest_first[1:]}),
        ("GET fine_tuning/jobs/ftjob-7/events?limit=99", {"data": newest_first}),
    )
    assert curves(path) == 0
    assert "2 steps, mean training loss 0.5000; no step was validated." in capsys.readouterr().out


def test_a_job_without_steps_says_how_it_stands(provider, record, capsys):
    failed = RUNNING | {"status": "failed", "error": {"message": "No room."}}
    path = "/v1/fine_tuning/jobs/ftjob-7"
    provider.jobs |= {path: failed, f"{path}/events?limit=100": {"data": [event(1)]}}
    assert curves("ftjob-7", "--base-url", provider.url) == 2
    assert f"the job ftjob-7 at {provider.url} (failed: No room): there are no rows" in (
        capsys.readouterr().err
    )
    assert curves(record(("GET fine_tuning/jobs/ftjob-7", RUNNING))) == 2
    assert "tiny-ft300.jsonl (running): there are no rows" in capsys.readouterr().err


def test_scripts_read_one_json_object(cassette, capsys):
    assert curves(cassette, "--json", "--csv", cassette.with_name("steps.csv")) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["name"] == "tiny-ft300"
    assert said["job"] == {
        "id": "ftjob-7",
        "model": "tiny",
        "status": "succeeded",
        "fine_tuned_model": "ft:tiny:tunebench:x:7",
        "trained_tokens": 440,
        "minutes": 1.5,
        "hyperparameters": {"n_epochs": 2},
    }
    assert len(said["rows"]) == 4
    assert said["rows"][0]["elapsed_tokens"] == 100
    assert said["rows"][0]["classification/auroc"] is None
    assert said["rows"][3]["classification/auroc"] == 0.95


def test_all_steps_are_written_as_csv(cassette, tmp_path, capsys):
    path = tmp_path / "steps.csv"
    assert curves(cassette, "--csv", path) == 0
    assert f"Wrote {path}." in capsys.readouterr().out
    assert path.read_text() == CONTENT
    assert read_curve(path.read_bytes()).equals(read_curve(CONTENT.encode()))


def test_a_job_is_drawn(cassette, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "job.svg"
    assert curves(cassette, "--figure", path) == 0
    assert {"loss", "classification accuracy", "step", "training", "validation", "tiny-ft300"} <= (
        texts(path)
    )
    before = path.read_bytes()
    assert curves(cassette, "--figure", path, "--force") == 0
    assert path.read_bytes() == before
    assert curves(cassette, "--figure", tmp_path / "job.png") == 0
    assert (tmp_path / "job.png").read_bytes().startswith(b"\x89PNG")


def test_a_job_without_classification_is_drawn_in_one_panel(record, tmp_path):
    pytest.importorskip("matplotlib")
    content = "step,train_loss\n1,0.5\n2,0.25\n"
    job = record(("GET fine_tuning/jobs/ftjob-7", JOB), ("GET files/file-9/content", content))
    assert curves(job, "--figure", tmp_path / "job.svg") == 0
    found = texts(tmp_path / "job.svg")
    assert {"loss", "step"} <= found
    assert not {"classification accuracy", "validation"} & found


def test_plotting_leaves_no_global_state(cassette, tmp_path):
    pytest.importorskip("matplotlib")
    code = (
        "import sys; from tunebench.cli import main; "
        f"main(['curves', {str(cassette)!r}, '--figure', {str(tmp_path / 'f.png')!r}]); "
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_the_command_imports_nothing_heavy():
    code = (
        "import sys; before = set(sys.modules); import tunebench.cli.curves; "
        "heavy = {'pandas', 'numpy', 'openai', 'matplotlib', 'wandb', 'tensorboardX'}; "
        "print(heavy & (set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("option", ["--csv", "--figure"])
def test_nothing_is_overwritten_unless_that_is_asked_for(cassette, tmp_path, option, capsys):
    path = tmp_path / "mine.svg"
    path.write_text("mine")
    assert curves(cassette, option, path) == 2
    said = capsys.readouterr()
    assert said.err == (
        f"tunebench: {path}: the file exists; give another name, or --force to overwrite it.\n"
    )
    assert (said.out, path.read_text()) == ("", "mine")
    if option == "--csv":
        assert curves(cassette, option, path, "--force") == 0
        assert path.read_text() == CONTENT


def test_a_folder_that_is_not_there_is_named(cassette, tmp_path, capsys):
    assert curves(cassette, "--csv", tmp_path / "no" / "steps.csv") == 2
    assert "the file could not be written (No such file or directory)" in capsys.readouterr().err


def test_the_job_goes_to_trackers(cassette, tmp_path, monkeypatch, capsys):
    pytest.importorskip("tensorboardX")
    calls = []
    monkeypatch.setattr(
        "tunebench.reports.to_wandb",
        lambda curve, **told: calls.append((len(curve), told)) or "there",
    )
    runs = tmp_path / "runs"
    assert curves(cassette, "--tensorboard", runs, "--wandb", "--wandb-project", "p") == 0
    out = capsys.readouterr().out
    assert f"Wrote {runs / 'tiny-ft300'}.\nSent to there.\n" in out
    assert len(list((runs / "tiny-ft300").iterdir())) == 1
    (call,) = calls
    assert call == (
        4,
        {
            "project": "p",
            "name": "tiny-ft300",
            "config": {"id": "ftjob-7", "model": "tiny", "hyperparameters": {"n_epochs": 2}},
            "summary": {
                "status": "succeeded",
                "fine_tuned_model": "ft:tiny:tunebench:x:7",
                "trained_tokens": 440,
                "minutes": 1.5,
            },
        },
    )


def test_wandb_leaves_the_json_alone(cassette, tmp_path):
    pytest.importorskip("wandb")
    folder = {"WANDB_DIR": str(tmp_path), "HOME": str(tmp_path)}
    environment = {**os.environ, **folder, "WANDB_MODE": "offline"}
    code = "import sys; from tunebench.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "curves", str(cassette), "--wandb", "--json"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["rows"]) == 4


def test_matplotlib_is_named_where_it_is_missing(cassette, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert curves(cassette, "--figure", tmp_path / "f.svg") == 2
    assert "matplotlib is not installed; pip install 'tunebench[figures]'." in (
        capsys.readouterr().err
    )


def test_accuracy_is_shown_by_size(results, capsys):
    assert curves("--sizes", results) == 0
    assert capsys.readouterr().out == (
        "model  rule            training size  accuracy  95 % interval\n"
        "small  label_logprobs            300     0.750    0.650-0.850\n"
        "tiny   text                      300     0.500    0.400-0.600\n"
        "tiny   text                     2000     1.000    0.900-1.000\n"
    )


def test_accuracy_by_size_is_written_and_drawn(results, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    csv, svg = tmp_path / "sizes.csv", tmp_path / "sizes.svg"
    assert curves("--sizes", results, "--json", "--csv", csv, "--figure", svg) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["train_size"] for row in rows] == [300, 300, 2000]
    assert csv.read_text().splitlines()[:2] == [
        "model,decision_rule,train_size,accuracy,ci_low,ci_high",
        "small,label_logprobs,300,0.75,0.65,0.85",
    ]
    labels = {"training size", "accuracy, 95 % interval", "300", "2000"}
    assert labels | {"tiny, text", "small, label_logprobs"} <= texts(svg)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "there is no such file or folder"),
        ("{", "this is not JSON (Expecting property name"),
        (
            '{"version": 4, "cells": []}',
            "version: these are not results of version 1, 2 or 3; write",
        ),
        ("[]", "version: these are not results of version 1 or 2; write"),
        ('{"version": 2, "cells": []}', "the results have no fine-tuned cell; name those"),
        ('{"version": 1, "cells": []}', "the results have no fine-tuned cell; name those"),
        ('{"version": 1, "cells": [{}]}', "cells[0].model: field required; write the results"),
    ],
)
def test_what_is_no_results_file_is_refused(tmp_path, capsys, content, sentence):
    path = tmp_path / "results.json"
    if content is not None:
        path.write_text(content)
    assert curves("--sizes", path) == 2
    assert f"{path}: {sentence}" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--wandb"], ["--tensorboard", "runs"]])
def test_trackers_take_a_job(results, capsys, option):
    assert curves("--sizes", results, *option) == 2
    assert "--wandb and --tensorboard take a job" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Give either JOB or --sizes RESULTS."),
        (["job.jsonl", "--sizes", "."], "Give either JOB or --sizes RESULTS."),
        (
            ["job.jsonl", "--figure", "f.pdf"],
            "Invalid value for --figure: must end in .svg or .png",
        ),
    ],
)
def test_wrong_usage_is_told(capsys, arguments, said):
    assert curves(*arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "the cassette cannot be read (No such file or directory); name the cassette"),
        (
            b"",
            "line 1: this is not a tunebench cassette; restore it from version control, or ",
        ),
        (b"step,train_loss\n1,2\n", "line 1: this is not a tunebench cassette"),
        (b"\xff\n", "line 1: this is not a tunebench cassette"),
        (b"[1]\n", "line 1: this is not a tunebench cassette"),
        (b'{"cassette": 2}\n', "line 1: this is not a tunebench cassette"),
        (b'{"cassette": 9, "experiment": "e", "recording": "r"}\n', "format version 9"),
        (b'{"cassette": 2, "experiment": "e", "recording": "r"}\n', "holds no fine-tuning job"),
    ],
)
def test_what_is_no_jobs_cassette_is_refused(tmp_path, capsys, content, sentence):
    path = tmp_path / "job.jsonl"
    if content is not None:
        path.write_bytes(content)
    assert curves(path) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"tunebench: {path}")
    assert sentence in err
    assert err.count("\n") == 1


def test_the_cassette_of_a_cell_is_refused(record, capsys):
    path = record(("POST completions", {"choices": []}), name="tiny-ft300-cell")
    assert curves(path) == 2
    assert "the cassette holds no fine-tuning job; name one of the folder `jobs`" in (
        capsys.readouterr().err
    )


def test_a_damaged_row_is_told(cassette, capsys):
    cassette.write_bytes(
        cassette.read_bytes().replace(b'"trained_tokens":440', b'"trained_tokens":44O')
    )
    assert curves(cassette) == 2
    assert re.search(r"line \d+: the line is damaged .*; restore the file", capsys.readouterr().err)


def test_a_damaged_result_file_is_told_with_its_line(record, capsys):
    content = CONTENT.replace("0.125", "low")
    path = record(("GET fine_tuning/jobs/ftjob-7", JOB), ("GET files/file-9/content", content))
    assert curves(path) == 2
    assert capsys.readouterr().err == (
        f"tunebench: {path}, result file file-9, line 4: the cell 'low' of the column "
        "'training_loss' is not a number; fetch the job's result file again.\n"
    )


def test_a_job_that_the_provider_does_not_know_is_told(provider, capsys):
    assert curves("ftjob-8", "--base-url", provider.url) == 2
    err = capsys.readouterr().err
    assert f"the job ftjob-8 at {provider.url}: the provider answered 404 (nothing at" in err


DIVERGED = """\
step,training_loss,validation_loss,classification/accuracy
1,0.5,,
2,inf,nan,0.5
3,0.75,,
4,0.25,-inf,0.75
5,1e999,0.5,NaN
"""


def test_what_is_no_finite_number_is_null_for_scripts_and_a_dash_for_people(record, capsys):
    files = ("GET files/file-9/content", DIVERGED)
    path = record(("GET fine_tuning/jobs/ftjob-7", JOB), files)
    assert curves(path, "--json") == 0
    rows = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["rows"]
    assert [row["training_loss"] for row in rows] == [0.5, None, 0.75, 0.25, None]
    assert [row["validation_loss"] for row in rows] == [None, None, None, None, 0.5]
    assert curves(path) == 0
    table = [line.split() for line in capsys.readouterr().out.splitlines()[-2:]]
    # A mean over a loss that was not finite is none.
    assert table == [["2", "-", "0.500"], ["4", "0.5000", "0.750"]]


def test_a_job_that_diverged_from_the_start_is_shown_written_and_drawn(record, tmp_path, capsys):
    content = "step,training_loss,validation_loss\n1,nan,nan\n2,inf,inf\n"
    path = record(("GET fine_tuning/jobs/ftjob-7", JOB), ("GET files/file-9/content", content))
    pytest.importorskip("matplotlib")
    assert curves(path, "--csv", tmp_path / "c.csv", "--figure", tmp_path / "c.svg") == 0
    assert "mean training loss -; no step was validated" in capsys.readouterr().out
    assert (tmp_path / "c.csv").read_text() == "step,training_loss,validation_loss\n1,,\n2,,\n"


def test_what_trackers_get_is_finite(record, tmp_path):
    pytest.importorskip("tensorboardX")
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    files = ("GET files/file-9/content", DIVERGED)
    path = record(("GET fine_tuning/jobs/ftjob-7", JOB), files)
    assert curves(path, "--tensorboard", tmp_path / "runs") == 0
    found = EventAccumulator(str(tmp_path / "runs" / "tiny-ft300")).Reload()
    assert [one.value for one in found.Scalars("training_loss")] == [0.5, 0.75, 0.25]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


@given(value=JSON, field=st.sampled_from([*JOB, "method"]), source=st.sampled_from(["job", "file"]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_provider_says_of_a_job_is_shown_or_told_in_a_sentence(
    provider, capsys, value, field, source
):
    """The curve as it is, from the file or, where that is not named any more, from the events."""
    told = JOB | {field: value}
    if source == "job" and field == "method":
        told = JOB | {"method": {"type": "supervised", "supervised": value}}
    provider.jobs["/v1/fine_tuning/jobs/ftjob-7"] = told
    code = curves("ftjob-7", "--base-url", provider.url, "--json")
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    if code == 0:
        assert len(json.loads(out, parse_constant=pytest.fail)["rows"]) == 4
    else:
        assert (code, out) == (2, "")
        assert err.startswith("tunebench: ")


CELLS = st.sampled_from(["", "1", "0.5", "inf", "-inf", "nan", "1e999", "-1e999", "1_0", "x", "-0"])


@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=5))
@settings(max_examples=80)
def test_a_curve_that_is_read_holds_no_infinity(rows):
    lines = [f"{i},{a},{b},{c}" for i, (a, b, c) in enumerate(rows)]
    content = "step,train_loss,elapsed_tokens,other\n" + "\n".join(lines)
    try:
        curve = read_curve(content.encode())
    except ResultsError:
        assert any(cell in ("x", "1_0") for row in rows for cell in row)
        return
    numbers = curve.select_dtypes("number").to_numpy(float)
    assert not np.isinf(numbers).any()
    for name, places in curve.attrs["not_finite"].items():
        assert curve[name].iloc[places].isna().all()
