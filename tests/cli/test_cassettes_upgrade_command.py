"""``tunebench cassettes upgrade``: cassettes of format 1 become the current ones, unasked."""

import json

import pytest

from tunebench.cli import main

from ..first_format import downgrade


@pytest.fixture
def upgrade(recorded_films, monkeypatch, capfd):
    """Run the command on a project whose cassettes have format 1: exit code, output and error."""
    monkeypatch.chdir(recorded_films.root)

    def run(*arguments):
        capfd.readouterr()
        code = main(["cassettes", "upgrade", *arguments])
        return code, *capfd.readouterr()

    run.films = recorded_films
    run.cell = recorded_films.cassettes / "m-0shot.jsonl"
    run.job = recorded_films.cassettes / "jobs/m-ft8.jsonl"
    run.paths = sorted(recorded_films.cassettes.rglob("m-*.jsonl"))
    recorded_films.run("--results", "before").assert_outcomes(passed=4)
    for path in run.paths:
        downgrade(path)
    return run


def cells(films, folder):
    document = json.loads((films.root / folder / "results.json").read_text())
    # Format 1 did not state the limits of the time of the recording.
    return [row | {"recorded_limits": None} for row in document["cells"]], document["jobs"]


def test_format_1_is_refused_with_the_command_that_upgrades_it(upgrade):
    result = upgrade.films.run()
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(["*line 1: *format version 1*; *`tunebench cassettes upgrade`*"])


def test_an_upgraded_experiment_replays_to_the_same_results_and_asks_nobody(upgrade):
    code, out, err = upgrade()
    assert (code, err) == (0, ""), out
    assert len(out.splitlines()) == len(upgrade.paths) == 5
    assert all(line.endswith("now, and every answer is the same.") for line in out.splitlines())
    upgrade.films.run("--results", "after").assert_outcomes(passed=4)
    upgrade.films.record().assert_outcomes(passed=4)
    assert upgrade.films.loopback.asked == []
    assert cells(upgrade.films, "after") == cells(upgrade.films, "before")
    assert main(["cassettes", "verify"]) == 0


def test_what_has_the_current_format_is_left_alone(upgrade):
    upgrade()
    before = {path: path.read_bytes() for path in upgrade.paths}
    assert upgrade() == (0, "There is no cassette of format 1.\n", "")
    assert {path: path.read_bytes() for path in upgrade.paths} == before


def test_scripts_read_one_json_object(upgrade):
    code, out, _ = upgrade("--json")
    found = json.loads(out)["cassettes"]
    assert code == 0
    assert [one["problem"] for one in found] == [""] * 5
    (cell,) = (one for one in found if one["cassette"] == str(upgrade.cell))
    assert (cell["requests"], cell["rows"]) == (3, 12)


def test_a_cassette_that_no_cell_uses_is_upgraded_too(upgrade):
    upgrade.cell.rename(upgrade.cell.with_name("m-9shot.jsonl"))
    code, out, _ = upgrade()
    assert code == 0
    assert "m-9shot.jsonl: 3 requests of format 1 are 12 rows now" in out


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"status":200', '"status":"ok"', "this is not a row of a cassette"),
        ('"index":0', '"index":77', "choices[0].index is 77"),
        ('"finish_reason":"stop"', '"finish_reason":"error"', 'finish_reason is "error"'),
    ],
)
def test_a_damaged_cassette_is_named_by_its_line_and_left_as_it_was(upgrade, old, new, said):
    text = upgrade.cell.read_text()
    at = text.index('"endpoint":"POST completions"')
    upgrade.cell.write_text(text[:at] + text[at:].replace(old, new, 1))
    before = upgrade.cell.read_bytes()
    code, _, err = upgrade()
    assert code == 2
    assert f"{upgrade.cell}, line 4: " in err
    assert said in err
    assert upgrade.cell.read_bytes() == before
    assert [path.name for path in upgrade.cell.parent.glob("*.upgrade")] == []


def test_a_cell_that_does_not_replay_is_told_and_its_answers_are_kept(upgrade):
    lines = upgrade.cell.read_text().splitlines(keepends=True)
    upgrade.cell.write_text("".join(lines[:-1]))
    code, out, _ = upgrade()
    assert code == 1
    assert "- it does not replay: m-0shot, item held-out/0, " in out
    assert upgrade.cell.read_bytes().startswith(b'{"cassette": 2')


def test_a_torn_last_line_counts_for_nothing(upgrade):
    with upgrade.cell.open("a") as file:
        file.write('{"key":"00')
    assert upgrade()[0] == 0


def test_a_job_that_was_not_followed_to_its_end_goes_on(upgrade):
    lines = upgrade.job.read_text().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if '"status":"running"' in line)
    upgrade.job.write_text("".join(lines[: at + 1]))
    assert upgrade()[0] == 1
    upgrade.films.record().assert_outcomes(passed=4)
    created = [one for one in upgrade.films.loopback.asked if one.path == "/v1/fine_tuning/jobs"]
    assert not [one for one in created if one.body]
