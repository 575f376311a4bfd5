"""``tunebench errors``: the wrong answers of a cell with all that is known of them."""

import json
import re
import shutil

import pytest

from tunebench.cli import main

from ..pets_project import edit


@pytest.fixture
def project(pets, monkeypatch):
    """Pets of which those with a number that ends in 1, 2 or 3 are called wrongly, or nothing."""
    pets.toml = pets.add(shots='[0, 1]\ndecision_rules = ["text", "label_logprobs"]')
    right = pets.answer

    def answer(asked):
        said = right(asked)
        for choice, prompt in zip(said.body.get("choices", ()), asked.prompts, strict=False):
            last = int(prompt.rpartition("number ")[2].split()[0]) % 10
            wrong = {1: " dog", 2: " cat", 3: " a bird\x1b[31m"}.get(last)
            choice["text"] = wrong or choice["text"]
            if "logprobs" in asked.fields:
                likely = (
                    choice["text"]
                    if last < 3
                    else {"c": " cat", "d": " dog"}[
                        right(asked).body["choices"][0]["text"].strip()[0]
                    ]
                )
                other = {" cat": " dog", " dog": " cat"}[likely]
                top = {likely: -0.2, other: -1.8}
                choice["logprobs"] = {"tokens": [likely], "top_logprobs": [top]}
        return said

    pets.loopback.answer = answer
    assert pets.record("--results", "results").ret == 0
    pets.loopback.asked.clear()
    monkeypatch.chdir(pets.root)
    return pets


def run(capsys, *arguments):
    capsys.readouterr()
    code = main(["errors", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def found_of(capsys, *arguments):
    code, out, err = run(capsys, *arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_each_wrong_answer_has_text_labels_answer_and_place(project, capsys):
    (cell,) = found_of(capsys, "results", "--cell", "m-0shot")["cells"]
    rows = project.results("results")
    (row,) = [row for row in rows["cells"] if row["cell"] == "m-0shot"]
    assert cell["wrong"] == row["n"] - row["correct"] == len(cell["errors"]) > 1
    table = (project.root / "pets.csv").read_text().splitlines()
    for error in cell["errors"]:
        line = table[int(error["place"].removeprefix("pets.csv, line ")) - 1]
        assert line == f"{error['text']},{error['expected']}"
        assert error["predicted"] != error["expected"]
        named = {"cat": " cat", "dog": " dog", None: " a bird\x1b[31m"}
        assert error["answer"] == named[error["predicted"]]
        assert error["probability"] is None
    assert project.loopback.asked == []


def test_probabilities_are_shown_where_there_are_any(project, capsys):
    found = found_of(capsys, "--cell", "m-0shot-label_logprobs")
    for error in found["cells"][0]["errors"]:
        assert error["probability"] > 0.5
    _, out, _ = run(capsys, "--cell", "m-0shot-label_logprobs")
    assert "(probability 0.83)" in out


def test_people_read_lines_that_are_safe_to_print(project, capsys):
    code, out, _ = run(capsys, "results", "--cell", "m-0shot")
    assert code == 0
    (cell,) = found_of(capsys, "results", "--cell", "m-0shot")["cells"]
    lines = out.splitlines()
    assert lines[0] == f"pets, m-0shot: {cell['wrong']} wrong, of 10 texts"
    first = cell["errors"][0]
    assert lines[2] == f"{first['place']} ({first['item']})"
    assert lines[3].startswith(f"  expected {first['expected']}, predicted ")
    assert f"  | {first['text']}" in lines
    assert "\x1b" not in out


def test_a_label_and_a_limit_choose_among_them(project, capsys):
    (every,) = found_of(capsys, "results", "--cell", "m-0shot")["cells"]
    (cats,) = found_of(capsys, "results", "--cell", "m-0shot", "--label", "cat")["cells"]
    assert cats["errors"] == [one for one in every["errors"] if one["expected"] == "cat"]
    (one,) = found_of(capsys, "results", "--cell", "m-0shot", "--limit", "1")["cells"]
    assert one["errors"] == every["errors"][:1]
    assert one["wrong"] == every["wrong"]
    _, out, _ = run(capsys, "results", "--cell", "m-0shot", "--limit", "1")
    assert out.splitlines()[0].endswith("of 10 texts, the first 1 of them")


def named_of(found):
    return [cell["experiment"] for cell in found["cells"]]


def test_one_of_several_experiments_is_chosen_by_its_name(project, capsys):
    project.add("benchmarks/others", "others")
    assert project.record("--results", "results").ret == 0
    every = found_of(capsys, "results", "--cell", "m-0shot")
    assert named_of(every) == ["others", "pets"]
    arguments = ["--cell", "m-0shot", "--experiment", "others"]
    chosen = found_of(capsys, "results", *arguments)
    assert chosen["cells"] == every["cells"][:1]
    shutil.rmtree(project.root / "results")
    assert found_of(capsys, *arguments) == chosen
    code, _, err = run(capsys, "--cell", "m-1shot", "--experiment", "others")
    assert (code, err.count("there is no cell 'm-1shot'; did you mean 'm-0shot'?")) == (2, 1)


def test_of_two_experiments_with_one_name_the_file_chooses(project, capsys):
    project.add("benchmarks/a/pets", toml="experiment.toml")
    files = [f"pets (benchmarks/{folder}/experiment.toml)" for folder in ("a/pets", "pets")]
    assert project.record("--results", "results").ret == 0
    for results in (["results"], []):
        arguments = [*results, "--cell", "m-0shot", "--experiment"]
        assert named_of(found_of(capsys, *arguments, "pets")) == files
        for file in files:
            assert named_of(found_of(capsys, *arguments, file)) == [file]
        shutil.rmtree(project.root / "results", ignore_errors=True)


@pytest.mark.parametrize("results", [["results"], []])
def test_an_experiment_that_is_not_there_is_suggested(project, capsys, results):
    if not results:
        shutil.rmtree(project.root / "results")
    code, out, err = run(capsys, *results, "--cell", "m-0shot", "--experiment", "pet")
    assert (code, out) == (2, "")
    assert "there is no experiment 'pet'; did you mean 'pets'?" in err


def test_without_results_the_benchmarks_are_replayed(project, capsys):
    before = found_of(capsys, "--cell", "m-0shot")
    shutil.rmtree(project.root / "results")
    assert found_of(capsys, "--cell", "m-0shot") == before
    assert project.loopback.asked == []


def test_results_alone_show_what_they_hold(project, capsys, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.move(project.root / "results", elsewhere)
    monkeypatch.chdir(elsewhere)
    found = found_of(capsys, "--cell", "m-0shot")
    assert found["notes"] == [
        "Texts and answers are not shown: benchmarks/pets/experiment.toml is not found from here."
    ]
    for error in found["cells"][0]["errors"]:
        assert (error["text"], error["answer"]) == (None, None)
        assert error["place"].startswith("pets.csv, line ")


def test_texts_that_are_not_here_are_left_out_and_answers_stay(project, capsys):
    (project.root / "pets.csv").unlink()
    found = found_of(capsys, "results", "--cell", "m-0shot")
    assert len(found["notes"]) == 1
    assert found["notes"][0].startswith("Texts are not shown: ")
    for error in found["cells"][0]["errors"]:
        assert error["text"] is None
        assert error["answer"] is not None


def test_answers_of_a_later_recording_are_not_shown(project, capsys):
    edit(project.toml, "Say which it is", "Say which pet it is")
    assert project.run("--record=all").ret == 0
    found = found_of(capsys, "results", "--cell", "m-0shot")
    assert "m-0shot was recorded again after these results were made" in found["notes"][0]
    assert all(error["answer"] is None for error in found["cells"][0]["errors"])
    assert all(error["text"] is not None for error in found["cells"][0]["errors"])


@pytest.mark.parametrize("change", ["label", "text"])
def test_people_read_first_that_the_data_has_changed(project, capsys, change):
    (cell,) = found_of(capsys, "results", "--cell", "m-0shot")["cells"]
    error = cell["errors"][0]
    old = f"{error['text']},{error['expected']}"
    other = {"cat": "dog", "dog": "cat"}[error["expected"]]
    new = f"{error['text']},{other}" if change == "label" else f"{old[:2]}old {old[3:]}"
    edit(project.root / "pets.csv", old + "\n", new + "\n")
    _, out, _ = run(capsys, "results", "--cell", "m-0shot")
    first, second = out.splitlines()[:2]
    assert re.match(
        r"The data has changed since: \d+ of 10 texts are not in it any more, or ", first
    )
    assert first.endswith("; write the results again with `pytest --results DIR`.")
    assert "m-0shot" in second or second == ""


def test_people_read_first_that_results_are_out_of_date(project, capsys):
    edit(project.toml, "Say which it is", "Say which pet it is")
    assert project.run("--record=all").ret == 0
    _, out, _ = run(capsys, "results", "--cell", "m-0shot")
    first, second, third, *_ = out.splitlines()
    assert "m-0shot was recorded again after these results were made" in first
    assert (second, third.partition(":")[0]) == ("", "pets, m-0shot")


def test_an_experiment_that_is_broken_now_is_a_note(project, capsys):
    project.toml.write_text("[task\n")
    found = found_of(capsys, "results", "--cell", "m-0shot")
    assert found["cells"][0]["errors"]
    (note,) = found["notes"]
    assert note.startswith("Texts and answers are not shown: ")
    assert "this is not TOML" in note


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["results", "--cell", "m-0sho"], "there is no cell 'm-0sho'; did you mean 'm-0shot'?"),
        (
            ["results", "--cell", "m-0shot", "--label", "cats"],
            "no label 'cats'; did you mean 'cat'",
        ),
        (["nowhere", "--cell", "m-0shot"], "there is no such file or folder"),
        (["benchmarks", "--cell", "m-0shot"], "the results cannot be read"),
        (["results"], "Missing option '--cell'"),
        (["results", "--cell", "m-0shot", "--limit", "0"], "must be a whole number of at least 1"),
    ],
)
def test_what_cannot_be_shown_is_a_sentence(project, capsys, arguments, said):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_a_misspelt_cell_is_suggested_before_anything_is_replayed(project, capsys):
    shutil.rmtree(project.root / "results")
    shutil.rmtree(project.root / "cassettes")
    code, _, err = run(capsys, "--cell", "m-0sho")
    assert code == 2
    assert "there is no cell 'm-0sho'; did you mean 'm-0shot'?" in err


def test_a_cell_without_a_recording_says_why(project, capsys):
    shutil.rmtree(project.root / "results")
    (project.root / "cassettes/pets/m-1shot.jsonl").unlink()
    code, _, err = run(capsys, "--cell", "m-1shot")
    assert code == 2
    assert "the cell 'm-1shot' has no result: m-1shot, item " in err
    assert "(pets.csv, line " in err
    assert "there is no cassette" in err


@pytest.mark.parametrize("folder", ["benchmarks/pets", "benchmarks"])
def test_an_experiments_own_folder_is_found_from_within(project, capsys, monkeypatch, folder):
    every = found_of(capsys, "results", "--cell", "m-0shot")
    assert main(["baseline"]) == 0
    path = project.toml.with_name("baseline.json")
    written = path.read_bytes()
    path.unlink()
    monkeypatch.chdir(project.root / folder)
    assert main(["baseline"]) == 0
    assert path.read_bytes() == written
    assert found_of(capsys, "--cell", "m-0shot")["cells"] == every["cells"]
    assert main(["cassettes", "verify"]) == 0
    assert project.loopback.asked == []


def test_without_any_experiment_here_it_is_said_what_to_give(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deeply" / "nested").mkdir(parents=True)
    (tmp_path / "deeply" / "nested" / "experiment.toml").write_text("")
    assert main(["baseline"]) == 2
    assert capsys.readouterr().err == (
        "tunebench: benchmarks: there is no experiment.toml in or below it; name an experiment, or "
        "change to its folder or to the one that holds benchmarks/.\n"
    )


def test_flips_of_the_baseline_name_the_place(project, capsys):
    assert main(["baseline"]) == 0
    edit(project.toml, "Say which it is", "Say which pet it is")
    answer = project.loopback.answer

    def other(asked):
        said = answer(asked)
        for choice in said.body.get("choices", ()):
            choice["text"] = " cat"
        return said

    project.loopback.answer = other
    done = project.run("--record=all", "-k", "m-0shot and not logprobs")
    lines = [line.strip() for line in done.outlines]
    assert any("right before, wrong now: " in line and "(pets.csv, line " in line for line in lines)
