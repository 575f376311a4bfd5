"""The committed baseline: how it is written, and what a new recording is held against."""

import json
import re

import pytest

from tunebench.cli import main

TEST = """
@pytest.mark.parametrize("cell", experiment.cells, ids=str)
def test_gate(cell, gate):
    gate(cell)
"""

ONE = "one-0shot and not logprobs"


@pytest.fixture
def project(two_rules, recordings, monkeypatch):
    """Recorded cells and their baseline; `answers` are what a new recording gets."""
    two_rules.write_test(TEST)
    two_rules.edit("shots = [0, 1]", "shots = [0]")
    recordings.record(two_rules, "--results", "before", passed=4)
    monkeypatch.chdir(two_rules.root)
    assert main(["baseline"]) == 0
    two_rules.path = two_rules.folder / "baseline.json"
    return two_rules


def limit(project, value):
    with project.toml.open("a") as file:
        file.write(f'[[threshold]]\ndecision_rule = "text"\nmax_regression = {value}\n')


def answer_anew(project, other, first=45):
    """Record the first model again; its first answers are another text."""
    asked_before, left = project.loopback.answer, [first]

    def answer(asked):
        said = asked_before(asked)
        for choice in said.body.get("choices", ()):
            if left[0] > 0:
                choice["text"] = other
                left[0] -= 1
        return said

    project.loopback.answer = answer
    return project.run("--record=all", "-k", ONE, "--results", "after")


def test_it_holds_answers_by_item_and_no_text(project, capsys):
    found = json.loads(project.path.read_text())
    assert (found["version"], found["experiment"]) == (1, "small")
    assert found["labels"] == ["Negative", "Positive"]
    rows = {row["cell"]: row for row in project.results("before")["cells"]}
    assert list(found["cells"]) == list(rows)
    (about,) = project.results("before")["experiments"]
    for name, cell in found["cells"].items():
        assert cell["accuracy"] == rows[name]["accuracy"]
        assert cell["recorded_at"] == rows[name]["recorded_at"]
        assert list(cell["predictions"]) == about["items"]
        assert list(cell["predictions"].values()) == rows[name]["predictions"]
    assert len(project.path.read_text().splitlines()) == 6


def test_it_is_the_same_from_cassettes_and_from_results(project, capsys):
    replayed = project.path.read_bytes()
    project.path.unlink()
    assert main(["baseline", "--results", "before", "benchmarks/small"]) == 0
    assert project.path.read_bytes() == replayed
    assert capsys.readouterr().out.endswith("baseline.json: 4 of 4 cells.\n")


def test_cells_without_a_recording_are_left_out_and_named(project, capsys):
    (project.root / "cassettes/small/two-0shot.jsonl").unlink()
    project.path.unlink()
    assert main(["baseline"]) == 1
    said = capsys.readouterr().out
    assert "baseline.json: 3 of 4 cells." in said
    assert "- left out: two-0shot" in said
    assert "two-0shot" not in json.loads(project.path.read_text())["cells"]


def test_cells_without_a_new_answer_keep_what_was_there(project, capsys):
    before = project.path.read_bytes()
    (project.root / "cassettes/small/two-0shot.jsonl").unlink()
    capsys.readouterr()
    assert main(["baseline"]) == 1
    said = capsys.readouterr().out
    assert "baseline.json: 3 of 4 cells." in said
    assert "- left out, with its earlier answers: two-0shot" in said
    assert project.path.read_bytes() == before


def test_cells_that_are_no_more_go_and_are_named(project, capsys):
    project.edit('[[model]]\nname = "two"\nprovider = "standin"\n', "")
    capsys.readouterr()
    assert main(["baseline"]) == 0
    said = capsys.readouterr().out
    assert (
        "baseline.json: 2 of 2 cells.\n- removed: two-0shot, which is not a cell any more." in said
    )
    assert list(json.loads(project.path.read_text())["cells"]) == [
        "one-0shot",
        "one-0shot-label_logprobs",
    ]


def test_entries_of_other_labels_are_not_kept(project, capsys):
    found = json.loads(project.path.read_text())
    project.path.write_text(json.dumps(found | {"labels": ["Bad", "Good"]}))
    (project.root / "cassettes/small/two-0shot.jsonl").unlink()
    assert main(["baseline"]) == 1
    said = capsys.readouterr().out
    assert "- removed: two-0shot, whose labels have changed and which has no new answer.\n" in said
    assert "two-0shot" not in json.loads(project.path.read_text())["cells"]


def test_results_of_some_cells_leave_the_entries_of_the_others(project, capsys):
    before = project.path.read_bytes()
    project.run("--results", "some", "-k", "one")
    assert main(["baseline", "--results", "some"]) == 1
    assert "2 of 4 cells." in capsys.readouterr().out
    assert project.path.read_bytes() == before


def test_the_baseline_of_another_experiment_is_not_overwritten(project, capsys):
    before = project.path.read_bytes()
    project.edit('name = "small"', 'name = "large"')
    (project.root / "cassettes/small").rename(project.root / "cassettes/large")
    (project.root / "cassettes/large/items.jsonl").unlink()
    for path in (project.root / "cassettes/large").iterdir():
        path.write_text(path.read_text().replace('"small"', '"large"'))
    assert main(["baseline"]) == 2
    error = capsys.readouterr().err
    assert "baseline.json: the baseline belongs to the experiment 'small', not to 'large'" in error
    assert "so nothing was written" in error
    assert project.path.read_bytes() == before


@pytest.mark.parametrize("name", ["small", "large"])
def test_two_experiments_that_have_one_file_are_refused(project, capsys, name):
    other = project.folder / "other.toml"
    other.write_text(project.toml.read_text().replace('name = "small"', f'name = "{name}"'))
    before = project.path.read_bytes()
    arguments = [str(project.toml), str(other)] if name == "large" else []
    assert main(["baseline", *arguments]) == 2
    error = capsys.readouterr().err
    assert "both have the baseline" in error
    assert "so nothing was written; give each experiment a folder and a name of its own" in error
    assert project.path.read_bytes() == before


def test_nothing_is_written_where_one_of_several_is_refused(project, capsys):
    other = project.root / "benchmarks/zz"
    other.mkdir()
    (other / "experiment.toml").write_text(project.toml.read_text())
    (other / "baseline.json").write_text("mine")
    project.path.unlink()
    assert main(["baseline"]) == 2
    assert "zz/baseline.json: this is not JSON" in capsys.readouterr().err
    assert (other / "baseline.json").read_text() == "mine"
    assert not project.path.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("mine", "baseline.json: this is not JSON"),
        ('{"version": 2, "cells": {}}', "has version 2 and this tunebench reads 1; install the"),
        ('{"results": {}}', "baseline.json: version: field required"),
    ],
)
def test_a_file_that_is_no_baseline_is_not_overwritten(project, capsys, content, said):
    project.path.write_text(content)
    assert main(["baseline"]) == 2
    assert said in capsys.readouterr().err
    assert project.path.read_text() == content


def test_scripts_read_one_json_object(project, capsys):
    (project.root / "cassettes/small/two-0shot.jsonl").unlink()
    project.edit('[[model]]\nname = "one"', '[[model]]\nname = "other"')
    capsys.readouterr()
    assert main(["baseline", "--json"]) == 1
    out, err = capsys.readouterr()
    (written,) = json.loads(out)["baselines"]
    *others, sentence = written.pop("left_out")
    assert [one.split(",")[0].split(":")[0] for one in others] == [
        "other-0shot",
        "other-0shot-label_logprobs",
    ]
    assert sentence.startswith("two-0shot, ")
    assert err == ""
    assert written == {
        "experiment": "small",
        "file": "benchmarks/small/baseline.json",
        "cells": ["two-0shot", "two-0shot-label_logprobs"],
        "kept": ["two-0shot"],
        "removed": [
            "one-0shot, which is not a cell any more.",
            "one-0shot-label_logprobs, which is not a cell any more.",
        ],
    }


def test_what_equals_the_baseline_is_not_spoken_of(project):
    limit(project, 0)
    done = project.run()
    done.assert_outcomes(passed=4)
    done.stdout.no_fnmatch_line("*in the baseline of*")


def test_a_fall_that_chance_does_not_explain_fails(project):
    limit(project, 0.1)
    done = answer_anew(project, " Well", first=20)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            "one-0shot: accuracy * below the baseline's 0.600 (* texts lost, 0 gained, mid-p *), "
            "above max_regression 0.1, and more than chance shows (below 0.05)."
        ]
    )


def test_a_drop_that_chance_shows_as_well_is_left_open(project):
    limit(project, 0.1)
    done = answer_anew(project, " Posi")
    assert done.parseoutcomes().get("inconclusive") == 1
    done.stdout.fnmatch_lines(
        [
            "one-0shot: accuracy 0.400 is 0.200 below the baseline's 0.600 (27 texts lost, 18 "
            "gained, mid-p *), above max_regression 0.1, but chance shows as much.",
            "one-0shot: accuracy 0.600 in the baseline of *, 0.400 now (mid-p *)",
            "  27 right before, wrong now: movie-reviews/* and 17 more",
            "  18 wrong before, right now: movie-reviews/* and 8 more",
        ]
    )


def test_a_rise_and_no_change_are_said_without_a_sign(project):
    answer_anew(project, " Well", first=20)
    assert main(["baseline"]) == 0
    limit(project, 0.1)
    answer_anew(project, "", first=0)  # as at first
    assert main(["baseline"]) == 0
    project.run("-k", ONE, "--results", "same")
    said = [
        cell["gates"][0]["sentence"].partition(" (")[0]
        for folder in ("after", "same")
        for cell in project.results(folder)["cells"]
    ]
    rise = said[0].partition(" is ")[2]
    assert re.fullmatch(r"0\.\d+ above the baseline's 0\.\d+", rise)
    assert said[1] == "one-0shot: accuracy 0.600 is equal to the baseline's 0.600"


def test_answers_without_a_label_are_flips_too(project):
    done = answer_anew(project, " Well", first=20)
    done.assert_outcomes(passed=1)
    lost = [line for line in done.outlines if "right before, wrong now: " in line]
    other = [line for line in done.outlines if "wrong in another way: " in line]
    assert int(lost[0].split()[0]) + int(other[0].split()[0]) == 20


def test_a_limit_without_a_baseline_says_how_to_write_it(project):
    limit(project, 0.1)
    project.path.unlink()
    done = project.run("-k", ONE)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*one-0shot: max_regression needs a committed baseline*"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"experiment": "large"}, "belongs to the experiment 'large', not to 'small'"),
        ({"version": 2}, "has version 2 and this tunebench reads 1"),
        ({"labels": ["Bad", "Good"]}, "is of the labels Bad, Good, and the experiment's are Negat"),
        (
            {"cells": []},
            "cells: input should be a valid dictionary, so this is not a baseline; rest",
        ),
    ],
)
def test_a_baseline_of_something_else_is_a_sentence(project, change, said):
    limit(project, 0.1)
    found = json.loads(project.path.read_text())
    project.path.write_text(json.dumps(found | change))
    done = project.run("-k", ONE)
    done.assert_outcomes(failed=1)
    assert any("baseline.json: " in line and said in line for line in done.outlines)


def test_a_baseline_of_other_items_is_a_sentence_and_fails_its_gate_only(project):
    found = json.loads(project.path.read_text())
    predictions = found["cells"]["one-0shot"]["predictions"]
    predictions["another"] = predictions.pop(next(iter(predictions)))
    project.path.write_text(json.dumps(found))
    done = project.run()
    done.assert_outcomes(passed=4)
    done.stdout.fnmatch_lines(["*baseline of one-0shot is of other items: 2, such as another*"])
    limit(project, 0.1)
    project.run().assert_outcomes(passed=3, failed=1)


def test_a_baseline_whose_items_have_other_labels_now_is_a_sentence(project):
    found = json.loads(project.path.read_text())
    found["cells"]["one-0shot"]["accuracy"] = 0.5
    project.path.write_text(json.dumps(found))
    done = project.run("-k", ONE)
    done.stdout.fnmatch_lines(["*states the accuracy 0.5*by the labels of its items it is 0.6*"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.toml"], "nowhere.toml: there is no such file or folder"),
        (["--results", "nowhere"], "nowhere: there is no such file or folder"),
        (["--results", "other.json"], "hold no cell of the experiment 'small'"),
        (["--results", "old.json"], "results of version 1 do not hold each answer"),
    ],
)
def test_wrong_usage_is_a_sentence(project, capsys, arguments, said):
    empty = {"version": 2, "experiments": [], "cells": []}
    (project.root / "other.json").write_text(json.dumps(empty))
    (project.root / "old.json").write_text(json.dumps({"version": 1, "cells": []}))
    before = project.path.read_bytes()
    assert main(["baseline", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("tunebench: ")
    assert said in error
    assert project.path.read_bytes() == before


def test_without_any_recording_nothing_is_written(project, capsys):
    for path in (project.root / "cassettes/small").iterdir():
        path.unlink()
    before = project.path.read_bytes()
    assert main(["baseline"]) == 2
    assert "no cell has a recording to replay" in capsys.readouterr().err
    assert project.path.read_bytes() == before
