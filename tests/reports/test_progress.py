"""What is shown while something is recorded."""

import contextlib
import re

import pytest

from tunebench.reports.progress import Progress, shown_progress


@pytest.fixture
def progress():
    progress = Progress("m-1shot", 45)
    yield progress
    progress.close()


def shown(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines as they stand in the end: of a bar, what was drawn last."""
    out, err = capsys.readouterr()
    assert out == ""
    lines = [[part for part in line.split("\r") if part.strip()] for line in err.split("\n")]
    return [parts[-1].strip() for parts in lines if parts]


def test_nothing_is_shown_of_what_does_not_happen(progress, capsys) -> None:
    progress.close()
    assert shown(capsys) == []


def test_texts_are_a_bar_under_the_cells_name(progress, capsys) -> None:
    for texts in (20, 20, 5):
        progress.answered(texts)
    progress.close()
    (bar,) = shown(capsys)
    assert re.fullmatch(r"m-1shot: 100%.* 45/45 \[.*text.*\]", bar)


def test_a_recording_that_stopped_leaves_the_bar_where_it_was(progress, capsys) -> None:
    progress.answered(20)
    progress.close()
    (bar,) = shown(capsys)
    assert re.fullmatch(r"m-1shot: +44%.* 20/45 \[.*\]", bar)


def test_what_happens_is_a_line(progress, capsys) -> None:
    progress.say("m-ft8: Created")
    progress.say("m-ft8: started")
    assert shown(capsys) == ["m-ft8: Created", "m-ft8: started"]


def test_an_upload_is_a_bar_of_bytes(progress, capsys) -> None:
    sent = progress.uploading("train.jsonl", 3_000_000)
    for _ in range(3):
        sent(1_000_000)
    progress.close()
    (bar,) = shown(capsys)
    assert re.fullmatch(r"upload train.jsonl: 100%.* 3.00M/3.00M \[.*B/s\]", bar)


@pytest.mark.parametrize("pieces", [[1_000, 300], [900, 400], [1_300], [1_000, 150, 150]])
def test_the_form_around_a_file_does_not_overrun_its_bar(progress, capsys, pieces) -> None:
    sent = progress.uploading("train.jsonl", 1_000)
    for piece in pieces:
        sent(piece)
    progress.close()
    (bar,) = shown(capsys)
    assert re.fullmatch(r"upload train.jsonl: 100%.* 1.30k/1.30k \[.*\]", bar)


def test_each_upload_has_a_bar(progress, capsys) -> None:
    for name in ("train", "valid"):
        progress.uploading(name, 10)(10)
    progress.close()
    assert [bar.partition(":")[0] for bar in shown(capsys)] == ["upload train", "upload valid"]


def test_a_line_ends_the_bar_of_an_upload(progress, capsys) -> None:
    progress.uploading("train", 10)(10)
    progress.say("m-ft8: Created")
    progress.say("m-ft8: started")
    lines = shown(capsys)
    assert re.fullmatch(r"upload train: 100%.* 10.0/10.0 \[.*\]", lines[0])
    assert lines[1:] == ["m-ft8: Created", "m-ft8: started"]


def test_steps_are_one_bar_under_the_jobs_name_with_the_losses(progress, capsys) -> None:
    for step in (1, 2, 3):
        told = f"Step {step}/4: training loss={1 / step:.2f}, validation loss: 2.00"
        progress.trained("m-ft8", step, 4, told)
    progress.close()
    (bar,) = shown(capsys)
    assert re.fullmatch(
        r"m-ft8: +75%.* 3/4 \[.*step.*, training loss=0.33, validation loss: 2.00\]", bar
    )


def test_steps_of_an_unknown_number_are_counted(progress, capsys) -> None:
    progress.trained("m-ft8", 7, None, "going well")
    progress.close()
    (bar,) = shown(capsys)
    assert re.fullmatch(r"m-ft8: 7step \[.*, going well\]", bar)


def test_a_job_that_was_interrupted_goes_back(progress, capsys) -> None:
    for step in (1, 2, 3, 4, 3):
        progress.trained("m-ft8", step, 8, "on")
    progress.close()
    (bar,) = shown(capsys)
    assert re.search(r" 3/8 \[", bar)


def test_a_line_between_steps_leaves_their_bar(progress, capsys) -> None:
    progress.trained("m-ft8", 1, 2, "on")
    progress.say("m-ft8: Checkpoint saved")
    progress.trained("m-ft8", 2, 2, "on")
    progress.close()
    line, bar = shown(capsys)
    assert line == "m-ft8: Checkpoint saved"
    assert re.fullmatch(r"m-ft8: 100%.* 2/2 \[.*\]", bar)


def test_upload_steps_and_texts_follow_each_other(progress, capsys) -> None:
    progress.uploading("train", 10)(10)
    progress.trained("m-ft8", 2, 2, "on")
    progress.answered(45)
    progress.close()
    assert [bar.partition(":")[0] for bar in shown(capsys)] == ["upload train", "m-ft8", "m-1shot"]


def test_bars_are_ended_when_the_recording_fails(capsys) -> None:
    def stopped() -> None:
        with shown_progress("m-1shot", 45, contextlib.nullcontext()) as progress:
            progress.answered(20)
            raise KeyError

    with pytest.raises(KeyError):
        stopped()
    assert capsys.readouterr().err.endswith("\n")


def test_in_a_log_a_bar_is_a_line_every_half_minute_and_one_at_its_end(capsys, monkeypatch) -> None:
    now = [0.0]
    for clock in ("time.monotonic", "tqdm.std.time"):
        monkeypatch.setattr(clock, lambda: now[0])
    progress = Progress("m-1shot", 45)
    for now[0] in (0.0, 10.0, 29.0, 31.0, 40.0, 60.0, 62.0):
        progress.answered(5)
    progress.close()
    err = capsys.readouterr().err
    assert "\r" not in err
    found = re.findall(r"^m-1shot: .* (\d+)/45 \[", err, re.MULTILINE)
    assert found == ["20", "35", "35"]
    assert err.count("\n") == 3


def test_on_a_terminal_a_bar_is_drawn_in_place(capsys, monkeypatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    progress = Progress("m-1shot", 45)
    progress.answered(20)
    progress.close()
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("\rm-1shot: ")
