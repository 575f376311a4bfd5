"""``tunebench curves`` of a job: shown, as JSON, as CSV."""

import json
import subprocess
import sys

import pytest

from tunebench.statistics import read_curve

from .curve_jobs import CONTENT, DIVERGED, JOB, RUNNING, curves, event

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


def test_the_command_imports_nothing_heavy():
    code = (
        "import sys; before = set(sys.modules); import tunebench.cli.curves; "
        "heavy = {'pandas', 'numpy', 'openai', 'matplotlib', 'wandb', 'tensorboardX'}; "
        "print(heavy & (set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n"
