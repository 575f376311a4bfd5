"""What ``tunebench curves`` refuses, in a sentence."""

import re

import pytest

from .curve_jobs import CONTENT, JOB, curves


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
    assert f"{tmp_path / 'no'}: this folder does not exist; create it" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--csv", "--figure"])
def test_what_is_no_place_for_a_file_is_refused_with_force_too(cassette, tmp_path, option, capsys):
    (tmp_path / "folder.svg").mkdir()
    assert curves(cassette, option, tmp_path / "folder.svg", "--force") == 2
    said = "folder.svg: this is a folder, and not a file to write; give another name."
    assert said in capsys.readouterr().err


def test_the_cassette_that_is_read_is_not_overwritten(cassette, capsys):
    before = cassette.read_bytes()
    assert curves(cassette, "--csv", cassette, "--force") == 2
    assert "this is the file that is read; give another name." in capsys.readouterr().err
    assert cassette.read_bytes() == before


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
