"""``tunebench cassettes prune``: what goes, and all that stays."""

import fcntl
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunebench.cli import main
from tunebench.cli.cassettes.pruning import Pruned, carry_out

from ..cassette_lines import line_of, rows


@pytest.fixture
def prune(recorded_films, monkeypatch, capfd):
    """Run the command in the user's repository: its exit code, output and error."""
    monkeypatch.chdir(recorded_films.root)

    def run(*arguments):
        capfd.readouterr()
        code = main(["cassettes", "prune", *arguments])
        return code, *capfd.readouterr()

    run.films = recorded_films
    run.cell = recorded_films.cassettes / "m-0shot.jsonl"
    return run


def files(prune):
    return {path: path.read_bytes() for path in prune.films.root.rglob("*.jsonl*")}


def add_unasked(path, *, torn=b""):
    """Put a row that nothing asks for among the others."""
    *lines, last = path.read_bytes().splitlines(keepends=True)
    line = line_of(rows(path)[-1] | {"prompt": "0" * 64})
    path.write_bytes(b"".join([*lines, line, last, torn]))


def test_there_is_nothing_to_prune_in_what_was_just_recorded(prune):
    before = files(prune)
    assert prune() == (0, "There is nothing to prune.\n", "")
    assert files(prune) == before


@pytest.mark.parametrize("torn", [b"", b'{"prompt":"00'])
def test_rows_that_nothing_asks_for_go_and_the_rest_stays_byte_for_byte(prune, torn):
    before = files(prune)
    add_unasked(prune.cell, torn=torn)
    code, out, _ = prune()
    end = " and the torn last line" if torn else ""
    assert (code, out) == (
        0,
        f"{prune.cell}: rewritten without 1 unused rows{end}.\n",
    )
    assert files(prune) == before
    prune.films.run().assert_outcomes(passed=4)


def test_an_older_job_in_a_jobs_cassette_goes(prune):
    """A changed job is recorded behind the older one, whose rows nothing asks for any more."""
    prune.films.edit("n_epochs = 2", "n_epochs = 3")
    prune.films.record().assert_outcomes(passed=4)
    job = prune.films.cassettes / "jobs/m-ft8.jsonl"
    assert "ftjob-1" in job.read_text()
    assert prune()[0] == 0
    assert "ftjob-1" not in job.read_text()
    prune.films.loopback.asked.clear()
    prune.films.run().assert_outcomes(passed=4)
    prune.films.record().assert_outcomes(passed=4)
    assert prune.films.loopback.asked == []


def test_orphans_go(prune):
    prune.films.edit("train_sizes = [8]\n", "")
    code, out, _ = prune()
    assert code == 0
    assert out.count(" rows, since no cell uses it.\n") == len(out.splitlines()) == 3
    left = {path.name for path in files(prune) if path.parent.name != "rivals"}
    assert left == {"items.jsonl", "m-0shot-label_logprobs.jsonl", "m-0shot.jsonl"}


def test_a_dry_run_changes_nothing_and_says_the_same(prune):
    prune.films.edit("train_sizes = [8]\n", "")
    add_unasked(prune.cell)
    before = files(prune)
    code, out, _ = prune("--dry-run")
    assert (code, files(prune)) == (0, before)
    *told, last = out.splitlines(keepends=True)
    assert last == "Nothing was changed: this is what is done without --dry-run.\n"
    assert prune()[1] == "".join(told)


def test_scripts_read_one_json_object(prune):
    add_unasked(prune.cell)
    code, out, _ = prune("--json", "benchmarks/films/experiment.toml")
    (done,) = json.loads(out)["cassettes"]
    assert code == 0
    assert (done["cassette"], done["action"]) == (str(prune.cell), "rewrite")


def test_what_is_being_recorded_is_left_alone(prune):
    prune.films.edit("train_sizes = [8]\n", "")
    add_unasked(prune.cell)
    orphan = prune.films.cassettes / "m-ft8.jsonl"
    before = files(prune)
    with prune.cell.open("ab") as one, orphan.open("ab") as other:
        for file in (one, other):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        code, out, _ = prune()
        assert code == 0
        assert out.count("another process is recording this cassette") == 2
    assert {path: files(prune)[path] for path in (prune.cell, orphan)} == {
        path: before[path] for path in (prune.cell, orphan)
    }


@pytest.mark.parametrize("end", [-1, -2])
def test_the_rows_of_a_recording_that_is_not_complete_stay(prune, end):
    prune.films.edit("test_size = 10", "test_size = 12")
    lines = prune.cell.read_bytes().splitlines(keepends=True)
    prune.cell.write_bytes(b"".join(lines[:end]))
    before = files(prune)
    code, out, _ = prune()
    assert (code, files(prune)) == (0, before)
    assert f"{prune.cell}: left alone, since its replay stops before its end.\n" in out


def test_a_damaged_cassette_stays(prune):
    add_unasked(prune.cell)
    prune.cell.write_bytes(prune.cell.read_bytes().replace(b'"prompts":', b'"prompt_":', 1))
    before = files(prune)
    assert prune()[0] == 0
    assert files(prune) == before


def test_a_file_that_is_no_cassette_of_the_experiment_stays(prune):
    for name, content in (("notes", "mine\n"), ("other", prune.cell.read_text())):
        path = prune.films.cassettes / f"{name}.jsonl"
        path.write_text(content.replace('"films"', '"plays"'))
    before = files(prune)
    code, out, _ = prune()
    assert out.count("left alone, since it is not a cassette of 'films'.\n") == 2
    assert (code, files(prune)) == (0, before)


def test_experiments_that_share_a_folder_are_refused(prune):
    twin = prune.films.root / "benchmarks" / "twin"
    twin.mkdir()
    (twin / "experiment.toml").write_text(
        prune.films.toml.read_text().replace("train_sizes = [8]\n", "")
    )
    before = files(prune)
    code, out, err = prune("benchmarks/twin")
    assert (code, out, files(prune)) == (2, "", before)
    assert "both have their cassettes in" in err
    assert err.endswith("so nothing was pruned; give their tasks different names.\n")


LINES = st.lists(
    st.tuples(st.integers(0, 5), st.text(st.characters(codec="utf-8"), max_size=8)), max_size=12
)


@given(lines=LINES, gone=st.sets(st.integers(0, 5)), torn=st.sampled_from([b"", b'{"prompt":"']))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_stays_is_the_other_lines_in_their_order(tmp_path, lines, gone, torn):
    """Whatever else a row holds, line breaks of Unicode among it."""
    path = tmp_path / "made.jsonl"
    header = b'{"cassette": 2, "experiment": "films", "recording": "m"}\n'
    request = line_of({"request": "a" * 16, "digest": "0" * 64})
    made = [
        (key, line_of({"prompt": f"{key:064x}", "request": "a" * 16, "answer": text}))
        for key, text in lines
    ]
    path.write_bytes(header + request + b"".join(line for _, line in made) + torn)
    carry_out(Pruned(path, "rewrite", "", tuple(f"{key:064x}{'a' * 16}" for key in gone)))
    kept = [line for key, line in made if key not in gone]
    # What describes no row any more goes, too.
    assert path.read_bytes() == header + (request if kept else b"") + b"".join(kept)
    assert [other.name for other in tmp_path.iterdir()] == ["made.jsonl"]
