"""The limits that a cell had when its recording began."""

import json


def _header(films, name: str) -> dict:
    return json.loads((films.cassettes / f"{name}.jsonl").open().readline())


def _append(films, tables: str) -> None:
    films.toml.write_text(films.toml.read_text() + tables)


def _against(films) -> list[str]:
    films.run("--results", "results")
    document = json.loads((films.root / "results" / "results.json").read_text())
    return document["answers"][0]["against"]


def test_a_limit_that_was_set_after_the_recording_began_is_said(film_project):
    _append(
        film_project,
        "[[threshold]]\nmin_accuracy = 0.25\n\n[[threshold]]\ntrain_size = 8\nmin_accuracy = 1\n",
    )
    film_project.record()
    assert _header(film_project, "m-0shot")["limits"] == {"m-0shot": {"min_accuracy": 0.25}}
    assert _header(film_project, "m-ft8")["limits"] == {"m-ft8": {"min_accuracy": 1.0}}
    assert not any("Limits" in one for one in _against(film_project))

    film_project.edit("min_accuracy = 0.25", "min_accuracy = 0.5")
    said = "Limits were set after the recording began: those of m-0shot and m-0shot-label_logprobs."
    assert said in _against(film_project)


def test_a_recording_that_was_continued_keeps_the_limits_of_its_beginning(film_project):
    film_project.edit("test_size = 10", "test_size = 5")
    film_project.record()
    assert _header(film_project, "m-0shot")["limits"] == {"m-0shot": {}}

    film_project.edit("test_size = 5", "test_size = 10")
    _append(film_project, "[[threshold]]\nmin_accuracy = 0.25\n")
    film_project.record()
    assert any("Limits were set" in one for one in _against(film_project))


def test_a_cassette_without_limits_says_nothing_of_them(film_project):
    film_project.record()
    for path in film_project.cassettes.glob("*.jsonl"):
        first, *others = path.read_text().splitlines(keepends=True)
        header = json.loads(first)
        if header.pop("limits", None) is not None:
            path.write_text("".join([json.dumps(header) + "\n", *others]))
    _append(film_project, "[[threshold]]\nmin_accuracy = 0.25\n")
    assert not any("Limits" in one for one in _against(film_project))
