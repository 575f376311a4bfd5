import errno
import json
import os
from pathlib import Path

import click
import pytest

from tunebench.cli.main import tunebench
from tunebench.errors.base import TunebenchError


def prepare_data(*arguments):
    # Below the group: click keeps a command's options as those of the first context it saw.
    with tunebench.make_context("tunebench", ["prepare-data", *map(str, arguments)]) as context:
        return tunebench.invoke(context) or 0


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def reviews(tmp_path):
    path = tmp_path / "reviews.jsonl"
    rows = [
        {"prompt": f"{i} is how it is.", "completion": ["Negative", "Positive"][i % 3 == 0]}
        for i in range(20)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def terminal(monkeypatch):
    """Answers to give at the questions, and the questions asked."""
    answers, asked = [], []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)

    def answer(question):
        asked.append(question)
        if not answers:
            raise EOFError
        return answers.pop(0)

    monkeypatch.setattr("builtins.input", answer)
    return answers, asked


def test_it_says_what_it_found_and_did(reviews, capsys):
    assert prepare_data(reviews, "--yes") == 0
    out = capsys.readouterr().out
    for words in (
        "20 rows",
        'Add " ->" to the prompts.',
        "Put a space before them.",
        "Split into 16 training and 4 validation rows.",
        "2 classes: Negative 13 (65.0%), Positive 7 (35.0%).",
        "Positive class: Positive, as its name affirms",
        'End each prompt with " ->"',
        'stop = ["tive"]',
        "at 4 bytes each; 4 epochs take",
        "20 rows are few",
        "reviews_prepared_train.jsonl and ",
    ):
        assert words in out
    assert lines(reviews.with_name("reviews_prepared_train.jsonl"))[0].keys() == {
        "prompt",
        "completion",
    }
    assert len(lines(reviews.with_name("reviews_prepared_valid.jsonl"))) == 4


def test_each_change_is_asked_on_a_terminal(reviews, terminal):
    answers, asked = terminal
    answers += ["n", "", "NO", "y"]
    prepare_data(reviews)
    assert [question.split()[0] for question in asked] == ["Add", "Put", "-", "Write"]
    assert all(question.endswith("? [Y/n] ") for question in asked)
    written = lines(reviews.with_name("reviews_prepared.jsonl"))
    assert written[0] == {"prompt": "0 is how it is.", "completion": " Positive"}
    assert len(written) == 20


def test_a_last_no_writes_nothing(reviews, terminal, capsys):
    terminal[0].extend(["", "", "", "n"])
    prepare_data(reviews)
    assert "Nothing was written." in capsys.readouterr().out
    assert names(reviews.parent) == ["reviews.jsonl"]


def test_an_input_that_ends_writes_nothing(reviews, terminal):
    terminal[0].append("")
    with pytest.raises(TunebenchError, match="--yes"):
        prepare_data(reviews)
    assert names(reviews.parent) == ["reviews.jsonl"]


def test_off_a_terminal_it_does_not_wait_for_answers(reviews):
    with pytest.raises(TunebenchError, match="--yes"):
        prepare_data(reviews)


def test_nothing_is_overwritten(reviews):
    prepare_data(reviews, "--yes")
    before = reviews.with_name("reviews_prepared_train.jsonl").stat()
    reviews.with_name("reviews_prepared_valid (1).jsonl").write_text("mine")
    prepare_data(reviews, "--yes")
    assert reviews.with_name("reviews_prepared_train.jsonl").stat() == before
    assert names(reviews.parent) == [
        "reviews.jsonl",
        "reviews_prepared_train (2).jsonl",
        "reviews_prepared_train.jsonl",
        "reviews_prepared_valid (1).jsonl",
        "reviews_prepared_valid (2).jsonl",
        "reviews_prepared_valid.jsonl",
    ]


def test_a_name_taken_meanwhile_is_not_overwritten(reviews, monkeypatch):
    link = os.link

    def taken_first(part, path):
        if "_valid" in path.name:
            path.write_text("theirs")
        link(part, path)

    monkeypatch.setattr("os.link", taken_first)
    with pytest.raises(TunebenchError, match="File exists"):
        prepare_data(reviews, "--yes")
    assert names(reviews.parent) == ["reviews.jsonl", "reviews_prepared_valid.jsonl"]
    assert reviews.with_name("reviews_prepared_valid.jsonl").read_text() == "theirs"


@pytest.mark.parametrize("replaces", [True, False])
def test_file_systems_without_hard_links_will_do(reviews, monkeypatch, replaces):
    def refuse(*_):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr("os.link", refuse)
    if replaces:
        prepare_data(reviews, "--yes")
        assert len(lines(reviews.with_name("reviews_prepared_train.jsonl"))) == 16
        assert len(names(reviews.parent)) == 3
    else:
        monkeypatch.setattr("os.replace", refuse)
        with pytest.raises(TunebenchError, match="not permitted"):
            prepare_data(reviews, "--yes")
        assert names(reviews.parent) == ["reviews.jsonl"]


def test_a_prepared_half_is_left_as_it_is(reviews, capsys):
    prepare_data(reviews, "--yes")
    before = names(reviews.parent)
    prepare_data(reviews.with_name("reviews_prepared_train.jsonl"), "--yes")
    assert "Nothing needs to be changed" in capsys.readouterr().out
    assert names(reviews.parent) == before


def test_a_dry_run_writes_nothing(reviews, capsys):
    prepare_data(reviews, "--dry-run")
    assert 'Add " ->" to the prompts.' in capsys.readouterr().out
    assert names(reviews.parent) == ["reviews.jsonl"]


def test_a_full_disk_leaves_nothing(reviews, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(TunebenchError, match="No space left on device"):
        prepare_data(reviews, "--yes")
    assert names(reviews.parent) == ["reviews.jsonl"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_disk_that_fills_while_writing_leaves_nothing(reviews, monkeypatch):
    open_file = Path.open

    def on_full_disk(path, *mode, **options):
        file = open_file(path, *mode, **options)
        if mode != ("xb",):
            return file
        file.close()
        return open("/dev/full", "wb")

    monkeypatch.setattr(Path, "open", on_full_disk)
    with pytest.raises(TunebenchError, match="No space left on device"):
        prepare_data(reviews, "--yes")
    assert names(reviews.parent) == ["reviews.jsonl"]


def test_scripts_read_one_json_object(reviews, capsys):
    prepare_data(reviews, "--yes", "--json", "--price", "2", "--tokens-per-second", "10")
    said = json.loads(capsys.readouterr().out)
    assert said["rows_read"] == said["rows"] == 20
    assert [(step["step"], step["accepted"]) for step in said["steps"]] == [
        ("separator", True),
        ("leading_space", True),
    ]
    assert said["classes"] == {"Negative": 13, "Positive": 7}
    assert (said["positive_class"], said["stop"]) == ("Positive", "tive")
    assert (said["train_rows"], said["valid_rows"]) == (16, 4)
    assert [os.path.basename(name) for name in said["files"]] == [
        "reviews_prepared_train.jsonl",
        "reviews_prepared_valid.jsonl",
    ]
    tokens = said["estimate"]["tokens"]
    assert said["estimate"]["seconds"] == pytest.approx(tokens * 4 / 10)
    assert said["estimate"]["cost"] == pytest.approx(tokens * 4 * 2 / 1e6)


def test_the_positive_class_can_be_named(reviews, capsys):
    prepare_data(reviews, "--dry-run", "--json", "--positive-class", "Negative")
    assert json.loads(capsys.readouterr().out)["positive_class"] == "Negative"
    with pytest.raises(TunebenchError, match="'Neutral' is not one of two classes"):
        prepare_data(reviews, "--yes", "--positive-class", "Neutral")
    assert names(reviews.parent) == ["reviews.jsonl"]


@pytest.mark.parametrize("option", ["--epochs", "--bytes-per-token", "--tokens-per-second"])
@pytest.mark.parametrize("value", ["0", "-1", "nan", "x"])
def test_rates_must_be_positive_numbers(reviews, option, value):
    with pytest.raises(click.BadParameter, match="must be a"):
        prepare_data(reviews, "--yes", option, value)


def test_validation_rows_that_are_trained_on_are_left_out(tmp_path, capsys):
    path = tmp_path / "f.jsonl"
    rows = [{"prompt": f"{i % 50}x ->", "completion": f" {'ab'[i // 50]}"} for i in range(60)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    prepare_data(path, "--yes")
    train = {row["prompt"] for row in lines(tmp_path / "f_prepared_train.jsonl")}
    valid = {row["prompt"] for row in lines(tmp_path / "f_prepared_valid.jsonl")}
    assert not train & valid
    out = capsys.readouterr().out
    assert "have a prompt that is also trained on" in out
    assert "10 rows repeat a prompt of another" in out


def test_chat_files_are_split_and_their_records_stay_as_they_are(tmp_path):
    path = tmp_path / "f.jsonl"
    said = [
        f'{{"messages": [ {{"role":"user","content":"é{i}"}}, '
        f'{{"role":"assistant","content":"{"ab"[i % 2]}"}}]}}'
        for i in range(10)
    ]
    path.write_text("\n".join([*said, said[0]]), encoding="utf-8")
    prepare_data(path, "--yes")
    train = (tmp_path / "f_prepared_train.jsonl").read_text(encoding="utf-8").splitlines()
    valid = (tmp_path / "f_prepared_valid.jsonl").read_text(encoding="utf-8").splitlines()
    assert (len(train), len(valid)) == (8, 2)
    assert sorted(train + valid) == said


@pytest.mark.parametrize("content", ["{", "", '{"prompt": "a", "completion": "b"}\n' * 9])
def test_after_bad_input_nothing_is_left(tmp_path, content):
    (tmp_path / "f.jsonl").write_text(content)
    with pytest.raises(TunebenchError):
        prepare_data(tmp_path / "f.jsonl", "--yes")
    assert names(tmp_path) == ["f.jsonl"]
