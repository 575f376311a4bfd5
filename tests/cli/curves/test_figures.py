"""``tunebench curves`` of a job: drawn, and sent to trackers."""

import json
import os
import subprocess
import sys

import pytest

from .curve_jobs import DIVERGED, JOB, curves, texts


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


def test_matplotlib_is_named_where_it_is_missing(cassette, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert curves(cassette, "--figure", tmp_path / "f.svg") == 2
    assert "matplotlib is not installed; pip install 'tunebench[figures]'." in (
        capsys.readouterr().err
    )


def test_a_job_that_diverged_from_the_start_is_shown_written_and_drawn(record, tmp_path, capsys):
    content = "step,training_loss,validation_loss\n1,nan,nan\n2,inf,inf\n"
    path = record(("GET fine_tuning/jobs/ftjob-7", JOB), ("GET files/file-9/content", content))
    pytest.importorskip("matplotlib")
    assert curves(path, "--csv", tmp_path / "c.csv", "--figure", tmp_path / "c.svg") == 0
    assert "mean training loss -; no step was validated" in capsys.readouterr().out
    assert (tmp_path / "c.csv").read_text() == "step,training_loss,validation_loss\n1,,\n2,,\n"


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


def test_what_trackers_get_is_finite(record, tmp_path):
    pytest.importorskip("tensorboardX")
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    files = ("GET files/file-9/content", DIVERGED)
    path = record(("GET fine_tuning/jobs/ftjob-7", JOB), files)
    assert curves(path, "--tensorboard", tmp_path / "runs") == 0
    found = EventAccumulator(str(tmp_path / "runs" / "tiny-ft300")).Reload()
    assert [one.value for one in found.Scalars("training_loss")] == [0.5, 0.75, 0.25]
