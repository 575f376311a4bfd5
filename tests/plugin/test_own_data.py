"""A user's own table from the experiment file to the result, as it is met through pytest."""

import csv
import json
import os
import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from ..film_project import FilmProject
from ..jobs_provider import JobsProvider

DATASET = 'dataset = "imdb_reviews"'
OWN = 'dataset = "films.csv"\ntext_column = "review"\nlabel_column = "verdict"'


def films(count: int, start: int = 0) -> list[tuple[str, str]]:
    draw = random.Random(start)
    verdicts = [draw.random() < 0.5 for _ in range(count)]
    return [
        (f"a {('dull', 'fine')[good]} film, number {i}", ("Negative", "Positive")[good])
        for i, good in enumerate(verdicts, start)
    ]


class OwnFilms(FilmProject):
    """The project of the films, with a table of its own beside the experiment."""

    def write(self, rows: Iterable[tuple[str, str]], name: str = "films.csv") -> None:
        with (self.toml.parent / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("review", "verdict"), *rows])
        self.write_data()  # forgets what was read before


@pytest.fixture
def project(
    pytester: pytest.Pytester,
    loopback,
    jobs: JobsProvider,
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> OwnFilms:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    project = OwnFilms(pytester, loopback, jobs, tmp_path / "data")
    project.edit(DATASET, OWN)
    project.write(films(80))
    return project


def test_an_experiment_on_a_table_is_recorded_and_replayed(project: OwnFilms) -> None:
    project.record("--results", "recorded").assert_outcomes(passed=4)
    project.run("--results", "replayed").assert_outcomes(passed=4)
    cells = project.results("replayed")
    assert cells == project.results("recorded")
    by_name = {cell["cell"]: cell for cell in cells}
    assert by_name["m-ft8"]["accuracy"] == 1.0
    assert by_name["m-0shot"]["accuracy"] < 1.0
    for path in project.cassettes.rglob("*.jsonl"):
        assert "film, number" not in path.read_text()


def test_each_item_has_its_place_in_the_file_and_no_path_of_this_machine(project: OwnFilms) -> None:
    project.record("--results", "out").assert_outcomes(passed=4)
    text = (project.root / "out/results.json").read_text(encoding="utf-8")
    (about,) = json.loads(text)["experiments"]
    lines = (project.toml.parent / "films.csv").read_text(encoding="utf-8").splitlines()
    verdicts = ["Negative", "Positive"]
    for place, label in zip(about["places"], about["label_ids"], strict=True):
        line = int(place.removeprefix("films.csv, line "))
        assert lines[line - 1].endswith(f",{verdicts[label]}")
    page = (project.root / "out/report.html").read_text(encoding="utf-8")
    assert about["places"][0] in page
    for written in (text, page):
        assert "film, number" not in written
        assert str(project.toml.parent) not in written


def test_a_file_that_grew_replays_the_same_cells(project: OwnFilms) -> None:
    project.record().assert_outcomes(passed=4)
    project.run("--results", "before").assert_outcomes(passed=4)
    project.write([*films(80), *films(120, start=80)])
    project.run("--results", "after").assert_outcomes(passed=4)
    assert project.results("after") == project.results("before")


def test_given_test_rows_are_the_ones_asked(project: OwnFilms) -> None:
    project.write(films(12, start=500), "held_out.csv")
    project.edit(OWN, f'{OWN}\ntest_dataset = "held_out.csv"')
    project.record("-k", "0shot").assert_outcomes(passed=2, deselected=2)
    asked = [prompt for one in project.asked_of("base") for prompt in one.prompts]
    texts = {text for text, _ in films(12, start=500)[:10]}
    assert {next(t for t in texts if t in prompt) for prompt in asked} == texts


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([*films(80), (films(80)[0][0], "Neutral")], "the label 'Neutral' (1 row, line 82) is not "
         "among the labels of [[]task]; fix the file or add it there; listed are 'Negative', "
         "'Positive'."),
        ([*films(80), ("", "Negative")], "1 row has no text (line 82); fill it in, or take the row "
         "out."),
        ([*films(80), ("what a film", "positive")], "differ only by case, spaces, invisible "
         "characters or how a letter is encoded; write them alike."),
        (films(1), "the file holds one row only, and a benchmark needs some to test on and "
         "others to learn from; add rows."),
        ([*films(80), ("one", "Negative"), ("one", "Positive")], "1 text has two different labels "
         "(lines 82 'Negative' and 83 'Positive'); decide for one of them, or take the rows out."),
    ],
)  # fmt: skip
def test_bad_rows_fail_the_case_in_a_sentence(rows, sentence: str, project: OwnFilms) -> None:
    project.write(rows)
    result = project.run()
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines([f"*benchmarks/films/films.csv: *{of_all_cells(sentence)}"])
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"review"', '"reviews"', "films.csv, line 1: there is no column 'reviews' among 'review', "
         "'verdict'; set text_column = \"review\" in [[]task], or fix the file."),
        ('"films.csv"', '"film.csv"', "film.csv: the file cannot be read (No such file or "
         "directory); check its path, or add cassettes/films/items.jsonl, with which a replay "
         "needs no data set."),
        ("test_size = 10", "test_size = 60", "[[]task] test_size: 60 is more than the * test rows "
         "of 'films.csv'; lower it to * or less, raise test_share or add rows."),
    ],
)  # fmt: skip
def test_a_task_that_does_not_fit_its_table_is_told_so(old, new, sentence, project) -> None:
    project.edit(old, new)
    result = project.run()
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines([f"*{of_all_cells(sentence)}"])


def of_all_cells(sentence: str) -> str:
    """A sentence's pattern where it is said once for the four cells."""
    return sentence.replace("; ", " (4 cells: m-0shot, *); ", 1)


def test_a_file_sorted_by_label_is_refused(project: OwnFilms) -> None:
    project.edit("test_size = 10", "test_size = 20")
    project.write(sorted(films(400), key=lambda row: row[1]))
    result = project.run()
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(
        [
            "*: 0 of the first 20 test rows are 'Positive', and ??% of all rows: the file is "
            'sorted by label (4 cells: *); set order = "hash" in [[]task], or shuffle its rows '
            "once and put new ones at the end."
        ]
    )


def test_a_file_sorted_by_label_serves_in_the_order_of_a_hash(project: OwnFilms) -> None:
    project.edit("test_size = 10", 'test_size = 20\norder = "hash"')
    project.write(sorted(films(400), key=lambda row: row[1]))
    project.record().assert_outcomes(passed=4)
    project.write(films(400))
    project.run().assert_outcomes(passed=4)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("test_share = 1.0", "[[]task] test_share: must be less than 1, not 1.0."),
        ('overlap = "drop"', "[[]task] overlap: must be 'refuse' or 'move', not 'drop'."),
        ('order = "random"', "[[]task] order: must be 'file' or 'hash', not 'random'."),
        ("text_colum = 1", "[[]task]: unknown key 'text_colum'; did you mean 'text_column'?"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_task_is_an_error_of_its_test_file(
    line, sentence, project: OwnFilms
) -> None:
    project.edit("test_size = 10", f"test_size = 10\n{line}")
    result = project.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{sentence}"])


def test_more_than_200_labels_are_an_error_of_its_test_file(project: OwnFilms) -> None:
    labels = ", ".join(f'"label {i}"' for i in range(201))
    project.edit('labels = ["Negative", "Positive"]', f"labels = [{labels}]")
    result = project.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*[[]task] labels: must have 200 entries or fewer."])


def test_a_pipe_in_place_of_the_data_is_a_sentence_and_not_waited_for(pets):
    pets.add()
    assert pets.record().ret == 0
    (pets.root / "pets.csv").unlink()
    os.mkfifo(pets.root / "pets.csv")
    done = pets.run()
    assert done.ret == 1
    done.stdout.fnmatch_lines(["*pets.csv: this is a device or a pipe, and not a file; save *"])
