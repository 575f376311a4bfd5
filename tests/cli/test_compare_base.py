"""``tunebench compare --base``: a pull request's recordings against those of its base branch."""

import json
import shutil
import subprocess

import pytest

from tunebench.cli import main

from ..pets_project import edit


def git(root, *arguments):
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def commit(root, *arguments):
    git(root, "add", "--all")
    git(root, "commit", "-qm", "change", *arguments)


@pytest.fixture
def repository(pets, monkeypatch):
    """A repository whose branch main has two recorded cells that are always right."""
    pets.toml = pets.add(shots="[0, 1]")
    assert pets.record().ret == 0
    (pets.root / ".gitignore").write_text("__pycache__/\n.pytest_cache/\n")
    git(pets.root, "init", "-q", "-b", "main")
    commit(pets.root)
    git(pets.root, "switch", "-qc", "work")
    monkeypatch.chdir(pets.root)
    pets.loopback.asked.clear()
    return pets


def answer_wrongly(repository, wrong):
    """Record again, with answers that are wrong for some of the texts."""
    right, left = repository.loopback.answer, [wrong]

    def answer(asked):
        said = right(asked)
        for choice in said.body.get("choices", ()):
            if left[0] > 0:
                choice["text"] = {" cat": " dog", " dog": " cat"}[choice["text"]]
                left[0] -= 1
        return said

    repository.loopback.answer = answer
    assert repository.run("--record=all", "-k", "m-0shot").ret == 0
    repository.loopback.asked.clear()


def compare(capsys, *arguments):
    capsys.readouterr()
    code = main(["compare", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_nothing_changed(repository, capsys):
    code, out, err = compare(capsys, "--base", "main")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("A: main (")
    assert lines[1] == "B: the working tree"
    assert lines[3].split()[:4] == ["experiment", "cell", "A", "B"]
    assert lines[4].split()[:5] == ["pets", "m-0shot", "1.000", "1.000", "+0.000"]
    assert "only" not in out
    assert repository.loopback.asked == []


@pytest.mark.parametrize(
    ("wrong", "options", "code", "said"),
    [
        (8, [], 1, "regression: the accuracy of m-0shot of pets fell from 1.000 to 0.200 (p 0.0"),
        (8, ["--fail-on", "regression"], 1, "regression: the accuracy of m-0shot of pets"),
        (1, ["--fail-on", "regression"], 0, ""),
        (1, ["--fail-on", "flip"], 1, "flip: m-0shot of pets lost 1 of 10 answers."),
    ],
)
def test_a_fall_or_a_lost_answer_fails(repository, capsys, wrong, options, code, said):
    answer_wrongly(repository, wrong)
    found, out, _ = compare(capsys, "--base", "main", *options, "benchmarks/pets")
    assert found == code
    assert (said or "1 right in A only") in out
    # The working tree counts, be it committed or not.
    commit(repository.root)
    assert compare(capsys, "--base", "main", *options, "benchmarks/pets")[0] == code


def test_what_got_better_passes(repository, capsys):
    answer_wrongly(repository, 8)
    commit(repository.root)
    git(repository.root, "branch", "worse")
    git(repository.root, "checkout", "-q", "main", "--", "cassettes")
    for kind in ("regression", "flip"):
        code, out, _ = compare(capsys, "--base", "worse", "--fail-on", kind)
        assert code == 0
        assert "8 right in B only" in out


def test_flips_name_the_place_in_the_users_file(repository, capsys):
    answer_wrongly(repository, 2)
    _, out, _ = compare(capsys, "--base", "main")
    assert out.count("(pets.csv, line ") == 2
    _, out, _ = compare(capsys, "--base", "main", "--json", "--fail-on", "flip")
    found = json.loads(out)
    flips = found["cells"][0]["flips"]
    table = (repository.root / "pets.csv").read_text().splitlines()
    assert [flip["item"] for flip in flips] == found["cells"][0]["lost"]
    for flip in flips:
        line = int(flip["place"].removeprefix("pets.csv, line "))
        assert table[line - 1].endswith(f",{flip['label']}")
        assert flip["a"] == flip["label"] != flip["b"]
    assert found["failures"] == ["flip: m-0shot of pets lost 2 of 10 answers."]


def test_the_step_summary_has_the_difference_and_both_answers(repository, capsys, monkeypatch):
    path = repository.root / "step.md"
    path.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    answer_wrongly(repository, 8)
    path.write_text("before\n")
    code, out, _ = compare(capsys, "--base", "main")
    assert code == 1
    text = path.read_text()
    assert text.startswith("before\n# tunebench: the working tree compared with main (")
    assert "| pets | m-0shot | 1.000 | 0.200 | -0.800 |" in text
    assert text.count("| pets.csv, line ") == 8
    (before,) = [line for line in text.splitlines() if line.startswith("- **before** ")]
    (now,) = [line for line in text.splitlines() if line.startswith("- **now** ")]
    assert before != now
    assert "m with no examples gets 0.200" in now or "m with 1 example gets 1.000" in now
    for line in (before, now):
        assert line.partition("** ")[2].replace("\\", "") in out
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(repository.root))
    code, out, err = compare(capsys, "--base", "main")
    assert code == 2
    assert "the summary was not appended" in err
    assert "m-0shot" in out


def test_a_changed_table_is_read_from_the_commit(repository, capsys):
    """The base has its own rows, and answers of its own to them."""
    repository.write_table(rows=80)
    edit(repository.toml, "test_size = 10", "test_size = 12")
    repository.run("--record=missing")
    repository.loopback.asked.clear()
    code, out, _ = compare(capsys, "--base", "main")
    assert code == 0
    assert "compared on the " in out
    assert " texts in common, of 10 in A and 12 in B" in out


def test_a_cell_without_a_recording_any_more_fails(repository, capsys):
    edit(repository.toml, "Say which it is", "Say which animal it is")
    shutil.copy(repository.root / "cassettes/pets/m-0shot.jsonl", repository.root / "kept")
    assert repository.run("--record=missing", "-k", "m-0shot").ret == 0
    code, out, _ = compare(capsys, "--base", "main")
    assert code == 1
    assert "no result any more: m-1shot, item " in out
    assert "m-0shot" in out


def test_what_git_leaves_out_of_archives_is_there(repository, capsys):
    (repository.root / ".gitattributes").write_text(
        "cassettes export-ignore\n*.csv export-ignore\n"
    )
    commit(repository.root)
    assert compare(capsys, "--base", "work")[0] == 0


def test_an_experiment_that_is_new_is_noted_beside_others(repository, capsys):
    repository.add("benchmarks/new", "new")
    assert repository.record("benchmarks/new").ret == 0
    code, out, _ = compare(capsys, "--base", "main")
    assert code == 0
    assert "in B only: m-0shot" in out
    for path in ("benchmarks/new", "benchmarks/new/experiment.toml"):
        code, _, err = compare(capsys, "--base", "main", path)
        assert code == 2
        assert err.startswith("tunebench: benchmarks/new/experiment.toml: main (")
        assert "does not have this experiment" in err


def test_the_repository_is_left_as_it_was(repository, capsys):
    answer_wrongly(repository, 3)
    git(repository.root, "add", "cassettes")

    def state():
        asked = (
            ["git", "status", "--porcelain"],
            ["git", "worktree", "list"],
            ["git", "stash", "list"],
        )
        return [
            subprocess.run(one, cwd=repository.root, capture_output=True, check=True).stdout
            for one in asked
        ]

    before = state()
    compare(capsys, "--base", "main")
    assert state() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--base", "nowhere"], "there is no commit 'nowhere'; name a branch, a tag or a commit"),
        (["--base=--all"], "there is no commit '--all'"),
        (["--base", "main", "nothing"], "there is no such file or folder"),
    ],
)
def test_what_cannot_be_compared_is_a_sentence(repository, capsys, arguments, said):
    code, out, err = compare(capsys, *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["."], "Missing argument 'B', or the option --base."), (["."] * 3, "A and B are two")],
)
def test_without_a_base_it_takes_two_results(repository, capsys, arguments, said):
    code, _, err = compare(capsys, *arguments)
    assert code == 2
    assert said in err


def test_outside_of_a_repository_it_is_a_sentence(repository, capsys):
    shutil.rmtree(repository.root / ".git")
    code, _, err = compare(capsys, "--base", "main")
    assert code == 2
    assert "this is not in a Git repository" in err


def test_other_labels_are_a_sentence(repository, capsys):
    for path in (repository.toml, repository.root / "pets.csv"):
        path.write_text(path.read_text().replace("dog", "hen"))
    right = repository.loopback.answer

    def answer(asked):
        said = right(asked)
        for choice in said.body.get("choices", ()):
            choice["text"] = choice["text"].replace("dog", "hen")
        return said

    repository.loopback.answer = answer
    assert repository.run("--record=all").ret == 0
    code, _, err = compare(capsys, "--base", "main")
    assert code == 2
    assert "has the labels cat, dog in main (" in err
    assert "and cat, hen in the working tree" in err


def test_other_items_are_a_sentence(repository, capsys):
    path = repository.root / "pets.csv"
    path.write_text(path.read_text().replace("likes to play", "sleeps"))
    assert repository.run("--record=all").ret == 0
    code, _, err = compare(capsys, "--base", "main")
    assert code == 2
    assert "have no text in common" in err


def test_a_base_without_recordings_is_a_sentence_without_temporary_paths(repository, capsys):
    git(repository.root, "rm", "-rq", "--cached", "cassettes")
    git(repository.root, "commit", "-qm", "without")
    git(repository.root, "branch", "bare")
    code, _, err = compare(capsys, "--base", "bare")
    assert code == 2
    assert "no cell has a result to replay in bare (" in err
    assert "bare:cassettes/pets" in err
    assert "tunebench-" not in err
