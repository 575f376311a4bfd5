"""What a run still shows when something at its end fails: results, summaries, rivals, files."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from ..cassette_lines import change_lines

BREAKS = """
import pathlib
def test_last():
    pathlib.Path({path!r}).{call}
"""


@pytest.fixture
def recorded(pets):
    """One cell that passes and one that misses its limit, which the run's end must show."""
    pets.toml = pets.add(shots="[0, 1]")
    pets.record().assert_outcomes(passed=2)
    with pets.toml.open("a") as file:
        file.write("[[threshold]]\nshots = 1\nmin_accuracy = 1\n")

    def answer_dog(fields):
        if "cat" in str(fields.get("answer")):
            fields["answer"]["text"] = fields["answer"]["text"].replace("cat", "dog")

    change_lines(pets.root / "cassettes/pets/m-1shot.jsonl", answer_dog)
    return pets


def shows_everything(done, status=pytest.ExitCode.TESTS_FAILED):
    """The failed case, both rows of the table, no traceback of the end, and the status."""
    assert done.ret == status
    done.assert_outcomes(passed=done.parseoutcomes()["passed"], failed=1)
    done.stdout.fnmatch_lines(
        [
            "*m-1shot: 5 of 10 right*threshold 1*",
            "cell *",
            "m-0shot *1.000*",
            "m-1shot *0.500*",
        ]
    )
    done.stdout.fnmatch_lines(["FAILED benchmarks/pets/*m-1shot*"])
    assert "Traceback" not in done.stdout.str() + done.stderr.str()
    assert "INTERNALERROR" not in done.stdout.str() + done.stderr.str()


@pytest.mark.parametrize("parallel", [(), ("-n", "1", "-p", "xdist")], ids=["one process", "xdist"])
def test_results_that_cannot_be_written_hide_neither_failures_nor_the_table(recorded, parallel):
    (recorded.root / "test_zz_last.py").write_text(BREAKS.format(path="out", call="touch()"))
    done = recorded.run("--results", "out", *parallel)
    shows_everything(done)
    done.stdout.fnmatch_lines(
        ["out: the results could not be written (File exists); give --resul*"]
    )


def test_results_that_cannot_be_written_fail_a_run_that_passes(recorded):
    (recorded.root / "test_zz_last.py").write_text(BREAKS.format(path="out", call="touch()"))
    done = recorded.run("--results", "out", "-k", "0shot or last")
    done.assert_outcomes(passed=2, deselected=1)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["m-0shot *1.000*", "out: the results could not be written *"])


@pytest.mark.parametrize("place", ["out", "out/deeper"])
def test_a_folder_of_results_that_cannot_be_made_is_refused_before_anything_is_evaluated(
    recorded, place
):
    (recorded.root / "out").touch()
    done = recorded.run("--results", place)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"ERROR: {place}: the results could not be written (Not a direct*"])
    done.stdout.no_fnmatch_line("*m-1shot*")


def test_a_folder_that_the_repository_names_does_not_stop_tests_that_write_no_results(pets):
    pets.pytester.makepyprojecttoml('[tool.tunebench]\nresults = "out"\n')
    (pets.root / "out").touch()
    (pets.root / "test_other.py").write_text("def test_other(): pass\n")
    done = pets.run()
    assert done.ret == 0
    done.stdout.no_fnmatch_line("*the results*")


def test_a_full_disk_is_one_sentence(recorded, monkeypatch):
    real = Path.open

    def full(path, *mode, **more):
        if mode == ("xb",) and path.parent.name == "out":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, *mode, **more)

    monkeypatch.setattr(Path, "open", full)
    done = recorded.run("--results", "out")
    shows_everything(done)
    said = [line for line in done.outlines if "No space left on device" in line]
    assert len(said) == 1
    assert said[0].startswith("out/results.json: the file could not be written (No space left")
    assert list((recorded.root / "out").iterdir()) == []


def test_a_summary_of_the_ci_run_that_cannot_be_appended_fails_and_hides_nothing(
    recorded, monkeypatch
):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(recorded.root))
    done = recorded.run("--results", "out")
    shows_everything(done)
    done.stdout.fnmatch_lines(["*: the summary was not appended (Is a directory)*"])
    done = recorded.run("--results", "out", "-k", "0shot")
    assert done.ret == pytest.ExitCode.TESTS_FAILED


def test_the_summary_of_the_ci_run_is_appended_also_where_the_results_cannot_be_written(
    recorded, monkeypatch
):
    steps = recorded.root / "steps.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(steps))
    (recorded.root / "test_zz_last.py").write_text(BREAKS.format(path="out", call="touch()"))
    shows_everything(recorded.run("--results", "out"))
    assert "| pets | m-1shot | 10 | 0.500 |" in steps.read_text()


@pytest.mark.parametrize(
    ("where", "missing", "said"),
    [
        ("tunebench.reports.page.rendering.report", "report.html", "report.html: the page was not"),
        (
            "tunebench.reports.parquet.parquet_files",
            "results.parquet",
            "the Parquet files were not",
        ),
        (
            "tunebench.reports.markdown.summary_markdown",
            "summary.md",
            "summary.md: the summary was",
        ),
        ("tunebench.analysis.answer.answers_of", None, "the answers could not be made"),
    ],
)
def test_a_fault_in_one_file_hides_nothing_and_costs_that_file_only(
    recorded, where, missing, said, monkeypatch
):
    def fail(*_, **__):
        raise ZeroDivisionError("the weights are 0\nsecond line")

    monkeypatch.setattr(where, fail)
    done = recorded.run("--results", "out")
    shows_everything(done)
    (line,) = [line for line in done.outlines if "ZeroDivisionError" in line]
    assert said in line
    assert "(ZeroDivisionError: the weights are 0, test_ends_of_runs.py, line " in line
    written = {path.name for path in recorded.root.glob("out/*")}
    assert missing not in written
    assert {"results.json", "results.csv"} <= written


def test_details_that_fail_cost_that_cell_only_and_are_told(recorded, monkeypatch):
    import tunebench.analysis.details

    real = tunebench.analysis.details.details_of

    def fail(result):
        if result.cell.shots == 0:
            raise ValueError("no such label")
        return real(result)

    monkeypatch.setattr(tunebench.analysis.details, "details_of", fail)
    done = recorded.run("--results", "out")
    shows_everything(done)
    results = recorded.results()
    assert [cell["cell"] for cell in results["cells"]] == ["m-1shot"]
    (error,) = results["errors"]
    assert error["cell"] == "m-0shot"
    assert error["error"].startswith("m-0shot: its details for the results could not be made (Val")
    assert error["error"] in done.outlines


def test_a_cell_that_fails_by_a_fault_of_ours_is_told_among_the_errors(recorded, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("the weights are 0")

    monkeypatch.setattr("tunebench.evaluation.runner.judge", fail)
    done = recorded.run("--results", "out", "-k", "0shot")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    (error,) = recorded.results()["errors"]
    assert error["error"].startswith("m-0shot: it could not be evaluated (ZeroDivisionError: the w")


@pytest.mark.parametrize("name", ["cell_table", "uplift_table", "job_table"])
def test_a_table_that_fails_leaves_the_rest_of_the_end(recorded, name, monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError("the weights are 0")

    if name == "uplift_table":
        (recorded.toml.parent / "test_more.py").write_text(
            "from tunebench import Experiment\n"
            f"one, other = Experiment.read({str(recorded.toml)!r}).cells\n"
            "def test_more(compare):\n    compare(one, other)\n"
        )
    monkeypatch.setattr(f"tunebench.plugin.terminal.{name}", fail)

    done = recorded.run("--results", "out")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["FAILED benchmarks/pets/*m-1shot*"])
    assert recorded.results()["errors"] == []
    if name != "job_table":  # there is no job, so nothing to fail at
        assert [line for line in done.outlines if "ZeroDivisionError" in line]


def test_rivals_that_fail_in_any_way_are_a_sentence(recorded, monkeypatch):
    import tunebench.analysis.rivals

    edited = recorded.toml.read_text().replace(
        "shots = [0, 1]", "shots = [0, 1]\ntrain_sizes = [20]"
    )
    recorded.toml.write_text(edited)

    def fail(*_):
        raise MemoryError

    broken = [replace(rival, predict=fail) for rival in tunebench.analysis.rivals.RIVALS]
    monkeypatch.setattr(tunebench.analysis.rivals, "RIVALS", broken)
    done = recorded.run("--rivals", "--results", "out", "-k", "shot")
    shows_everything(done)
    done.stdout.fnmatch_lines(["*experiment.toml: tf-idf*on 20 rows: *MemoryError*"])
    assert recorded.results()["rivals"] == []


def test_an_experiment_that_is_gone_when_its_rivals_are_made_is_a_sentence(recorded):
    (recorded.root / "test_zz_last.py").write_text(
        BREAKS.format(path=str(recorded.toml), call="unlink()")
    )
    done = recorded.run("--rivals", "--results", "out")
    shows_everything(done)
    done.stdout.fnmatch_lines(["*experiment.toml: there is no such experiment file*"])
    assert len(recorded.results()["cells"]) == 2


def test_connections_that_cannot_be_closed_are_told_and_results_are_written(recorded, monkeypatch):
    def fail(_):
        raise ConnectionError("no route")

    monkeypatch.setattr("tunebench.evaluation.connections.StartedProvider.stop", fail)
    done = recorded.run("--results", "out")
    shows_everything(done)
    done.stdout.fnmatch_lines(["*could not be closed (ConnectionError: no route, *"])
    assert json.loads((recorded.root / "out/results.json").read_text())["errors"] == []
