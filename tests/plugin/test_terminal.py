"""The end of a run on a terminal: the answer first, how wide it is, what is said once."""

import re

import pytest

from ..pets_project import edit


@pytest.fixture
def tuned(pets, jobs):
    """A prompted and a fine-tuned cell, recorded."""
    pets.toml = pets.add(more='[[threshold]]\nmin_accuracy = 0.5\nmode = "point"\n')
    edit(pets.toml, "[matrix]\nshots = [0]", "[matrix]\nshots = [0]\ntrain_sizes = [20]")
    jobs.complete = pets.answer
    pets.loopback.answer = jobs.answer
    assert pets.record().ret == 0
    return pets


@pytest.fixture
def prompted(pets):
    """Two prompted cells, recorded."""
    pets.toml = pets.add(shots="[0, 1]", more="[[threshold]]\nmin_accuracy = 0.5\n")
    assert pets.record().ret == 0
    return pets


def ending(done):
    """The lines of our part, without its title."""
    lines = done.outlines
    start = next(i for i, line in enumerate(lines) if re.match("=+ tunebench =+", line)) + 1
    stop = next(i for i, line in enumerate(lines[start:], start) if re.match("=+ ", line))
    return lines[start:stop]


def test_the_answer_is_first_then_a_line_a_model(tuned):
    lines = ending(tuned.run())
    assert lines[0].startswith("Undecided: m fine-tuned on 20 rows gets 1.000; the strongest rival")
    table = lines.index("") + 1
    doubts = [line for line in lines[:table] if line.startswith("- ")]
    assert 1 <= len(doubts) <= 4
    assert not any("No classical rival" in line for line in doubts)
    assert lines[table - 2].startswith("Largest p of 3 (McNemar mid-p) ")
    assert lines[table].split()[:3] == ["model", "best", "prompt"]
    assert lines[table + 1].split() == ["m", "0shot", "1.000", "(0.722-1.000)", "1.000"]
    assert lines[table + 2].startswith("majority class")
    assert lines[table + 3].startswith("tf-idf + logistic regression")
    assert lines[table + 4].startswith("most frequent label")
    assert not [line for line in lines if line.startswith(("cell ", "job "))]
    assert "-v shows every cell, job and uplift." in lines


def test_verbose_adds_the_tables(tuned):
    lines = ending(tuned.run("-v"))
    assert lines[0].startswith("Undecided: ")
    starts = [line.split()[0] for line in lines if line]
    assert starts.count("model") == 1
    assert {"cell", "m-0shot", "m-ft20", "job"} <= set(starts)
    assert any("tokens in/out" in line for line in lines)
    assert "-v shows every cell, job and uplift." not in lines


def test_the_answer_needs_no_result_files_and_is_the_one_that_they_hold(tuned):
    done = tuned.run("--results", "out")
    (answer,) = tuned.results()["answers"]
    for printed in (done, tuned.run()):
        for said in (answer["sentence"], *answer["against"], answer["statistics"]):
            assert said in " ".join(printed.stdout.str().split())


def test_without_an_answer_what_ran_is_shown(tuned):
    lines = ending(tuned.run("-k", "ft20"))
    assert lines[0].split()[:2] == ["cell", "n"]
    assert lines[1].split()[:3] == ["m-ft20", "10", "1.000"]
    assert any(line.startswith("job ") for line in lines)


def test_a_part_of_the_cells_has_an_answer_that_names_the_others(pets, jobs):
    pets.toml = pets.add(shots="[0, 1, 2]")
    edit(pets.toml, "shots = [0, 1, 2]", "shots = [0, 1, 2]\ntrain_sizes = [20]")
    jobs.complete = pets.answer
    pets.loopback.answer = jobs.answer
    assert pets.record().ret == 0
    lines = ending(pets.run("-k", "0shot or ft20"))
    assert "- 2 of 4 cells are missing: m-1shot and m-2shot." in lines
    (pets.root / "cassettes/pets/m-2shot.jsonl").unlink()
    lines = ending(pets.run())
    assert "- 1 of 4 cells is missing: m-2shot." in lines
    lines = ending(pets.run("-k", "0shot or 1shot"))
    assert lines[0].startswith("cell ")
    assert any(
        line.startswith("No answer: it needs the fine-tuned cells, too; 2 of 4") for line in lines
    )
    lines = ending(pets.run("-k", "0shot"))
    assert not any("nswer" in line for line in lines)


@pytest.mark.parametrize("colour", ["yes", "no"])
def test_the_badge_has_the_verdicts_colour(tuned, colour):
    printed = tuned.run(f"--color={colour}").stdout.str()
    assert ("\x1b[1m\x1b[33mUndecided:\x1b[0m" in printed) is (colour == "yes")
    assert ("\x1b" in printed) is (colour == "yes")


def test_prompts_alone_have_an_answer_and_their_table(prompted):
    prompted.wrong.add("m")
    prompted.run("--record=all", "-k", "1shot")
    lines = ending(prompted.run())
    assert lines[0].startswith(
        "Use m: m with no examples gets 1.000 and beats each of the 2 others"
    )
    assert any(line.startswith("cell ") for line in lines)


@pytest.mark.parametrize(("columns", "most"), [(200, 100), (100, 100), (80, 80), (50, 50)])
def test_no_line_is_wider_than_the_terminal_or_a_hundred(tuned, monkeypatch, columns, most):
    monkeypatch.setenv("COLUMNS", str(columns))
    wrapped = tuned.pytester.runpytest_inprocess("-v", "--results", "out")
    lines = ending(wrapped)
    assert max(map(len, lines)) <= most
    assert max(map(len, lines)) > most * 0.7


@pytest.mark.parametrize("colour", ["yes", "no"])
def test_verdicts_are_coloured_where_colours_are_wanted(prompted, colour):
    prompted.wrong.add("m")
    prompted.run("--record=all", "-k", "1shot")
    printed = prompted.run(f"--color={colour}").stdout.str()
    assert ("\x1b[32mpass" in printed) is (colour == "yes")
    assert ("\x1b[31mfail" in printed) is (colour == "yes")


def test_a_cause_that_cells_share_is_said_once(prompted):
    for path in (prompted.root / "cassettes/pets").iterdir():
        path.unlink()
    done = prompted.run()
    done.assert_outcomes(failed=2)
    said = [line for line in done.outlines if "there is no cassette" in line]
    assert len(said) == 1
    assert "(2 cells: m-0shot, m-1shot); record it with `pytest " in said[0]
    assert len([line for line in done.outlines if line.startswith("FAILED ")]) == 2


def test_causes_that_differ_are_all_said(prompted):
    (prompted.root / "cassettes/pets/m-0shot.jsonl").unlink()
    edit(prompted.toml, "[matrix]", "[matrix]")
    (prompted.root / "cassettes/pets/m-1shot.jsonl").write_text("x")
    done = prompted.run()
    done.assert_outcomes(failed=2)
    text = done.stdout.str()
    assert text.count("there is no cassette") == 1
    assert "m-1shot" in text.partition("FAILURES")[2].partition("short test summary")[0]


def test_control_characters_of_a_label_are_shown_escaped(pets, jobs):
    pets.toml = pets.add()
    table = pets.root / "pets.csv"
    table.write_text(re.sub(",(cat|dog)", ",\x1b[31m\\1", table.read_text()))
    edit(pets.toml, '["cat", "dog"]', '["\\u001b[31mcat", "\\u001b[31mdog"]')
    edit(pets.toml, "[matrix]\nshots = [0]", "[matrix]\nshots = [0]\ntrain_sizes = [20]")
    jobs.complete = pets.answer
    pets.loopback.answer = jobs.answer
    printed = " ".join(pets.record("-v").outlines)
    assert "always answering \\x1b[31m" in printed
    assert "\x1b" not in printed
