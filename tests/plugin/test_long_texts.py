"""Texts that are longer than a model reads: cut by ``max_chars``, or named in its refusal."""

import csv
import json
from pathlib import Path

import pytest

from ..film_project import FilmProject
from ..jobs_provider import JobsProvider

DATASET = 'dataset = "imdb_reviews"'
OWN = 'dataset = "films.csv"\ntext_column = "review"\nlabel_column = "verdict"'
MOST = 60  # characters of a text


def films(count: int) -> list[tuple[str, str]]:
    rows = []
    for i in range(count):
        kind = ("dull", "fine")[i * i % 3 % 2]
        text = f"a {kind} film, number {i}"
        text += (" and much more of it" * 10 + f" to its end, {i}") * (i % 3 == 1)
        rows.append((text, {"dull": "Negative", "fine": "Positive"}[kind]))
    return rows


@pytest.fixture
def project(
    pytester: pytest.Pytester,
    loopback,
    jobs: JobsProvider,
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> FilmProject:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    project = FilmProject(pytester, loopback, jobs, tmp_path / "data")
    project.edit(DATASET, OWN)
    with (project.toml.parent / "films.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("review", "verdict"), *films(80)])
    project.write_data()  # forgets what was read before
    return project


def cut(project: FilmProject, keep: str = "start") -> None:
    project.edit("test_size = 10", f'test_size = 10\nmax_chars = {MOST}\nkeep = "{keep}"')


def texts_asked(project: FilmProject, model: str = "base") -> list[str]:
    prompts = [prompt for asked in project.asked_of(model) for prompt in asked.prompts]
    return [prompt.rpartition("\n#####\n")[2].removesuffix(" ->") for prompt in prompts]


def test_cut_texts_are_what_is_asked_and_trained_on_and_each_cell_says_how_many(project) -> None:
    cut(project)
    recorded = project.record("--results", "recorded")
    recorded.assert_outcomes(passed=4)
    remark = "of 10 texts were cut to the start of at most 60 characters (4 cells"
    assert remark in " ".join(recorded.stdout.str().split())
    asked = texts_asked(project)
    for form in project.jobs.forms.values():
        lines = form.fields["file"].decode().splitlines()
        asked += [json.loads(line)["prompt"].removesuffix(" ->") for line in lines]
    assert max(map(len, asked)) <= MOST
    assert any("much more" in text and "its end" not in text for text in asked)
    project.run("--results", "replayed").assert_outcomes(passed=4)
    assert project.results("replayed") == project.results("recorded")


def test_another_length_is_another_prompt(project) -> None:
    cut(project)
    project.record("-k", "0shot").assert_outcomes(passed=2, deselected=2)
    project.edit('keep = "start"', 'keep = "end"')
    result = project.run("-k", "0shot")
    result.assert_outcomes(failed=2, deselected=2)
    # Texts that are short enough are answered from the cassette.
    before = len(texts_asked(project))
    project.record("-k", "0shot").assert_outcomes(passed=2, deselected=2)
    again = texts_asked(project)[before:]
    assert again
    assert all(text.partition(" to its end, ")[1] for text in again)


def test_without_the_data_another_length_is_refused(project) -> None:
    cut(project)
    project.record("-k", "0shot").assert_outcomes(passed=2, deselected=2)
    (project.toml.parent / "films.csv").unlink()
    project.write_data()
    project.run("-k", "0shot").assert_outcomes(passed=2, deselected=2)
    project.edit(f"max_chars = {MOST}", "max_chars = 50")
    result = project.run("-k", "0shot")
    result.assert_outcomes(failed=2, deselected=2)
    result.stdout.fnmatch_lines(["*max_chars in [[]task] is 50, and was 60 when the items were*"])


def test_a_refusal_for_length_names_the_row(project, said) -> None:
    def refuse(asked):
        if any(len(prompt) > 250 for prompt in asked.prompts):
            message = "This model's maximum context length is 50 tokens."
            return said({"error": {"message": message}}, 400)
        return project.complete(asked)

    project.jobs.complete = refuse
    result = project.record("-k", "0shot and not logprobs")
    result.assert_outcomes(failed=1, deselected=3)
    lines = (project.toml.parent / "films.csv").read_text().splitlines()
    text = " ".join(result.stdout.str().split())
    place = text.partition("films.csv, line ")[2].partition(", item ")[0]
    assert "much more of it" in lines[int(place) - 1]
    assert "set max_chars in [task]" in text
    cut(project)
    project.record("-k", "0shot").assert_outcomes(passed=2, deselected=2)
