"""Recording with the plugin: what is asked, what is kept, what a kill leaves."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ..cassette_lines import rows


def test_recording_then_replaying_asks_nothing_more(recorded):
    recorded.run().assert_outcomes(passed=8)
    assert recorded.loopback.asked == []


def test_without_an_option_nothing_is_asked(project):
    result = project.run("-k", "one-0shot")
    result.assert_outcomes(failed=2)
    assert project.loopback.asked == []
    result.stdout.fnmatch_lines(["*one-0shot*there is no cassette*--record=missing*"])


def test_recording_again_asks_only_for_what_is_missing(recorded):
    path = recorded.cassettes / "one-2shot.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    recorded.run("--record=missing").assert_outcomes(passed=8)
    assert [len(asked.prompts) for asked in recorded.completions_asked] == [1]
    assert len(path.read_bytes().splitlines()) == len(lines)


def test_record_all_replaces_a_cassette_only_when_the_new_one_is_complete(recorded):
    path = recorded.cassettes / "one-0shot.jsonl"
    before = path.read_bytes()

    def refuse(asked):
        if len(recorded.completions_asked) > 1:
            return recorded.said({"error": {"message": "no more today"}}, status=400)
        return recorded.answer(asked)

    recorded.loopback.answer = refuse
    result = recorded.run("--record=all", "-k", "one-0shot and not logprobs")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*one-0shot: model 'one' at *400 (no more today)*"])
    assert path.read_bytes() == before

    recorded.loopback.answer = recorded.answer
    recorded.loopback.asked.clear()
    recorded.run("--record=all", "-k", "one-0shot and not logprobs").assert_outcomes(passed=1)
    assert [len(asked.prompts) for asked in recorded.completions_asked] == [20, 5]
    assert path.read_bytes() != before
    assert list(recorded.cassettes.glob("*.part")) == []


def test_recording_in_several_processes_is_refused(project):
    result = project.pytester.runpytest_subprocess(
        "benchmarks", "--record=missing", "-n", "2", "-p", "xdist"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--record works in one process*"])


def test_neither_key_nor_review_text_gets_into_a_cassette(project, monkeypatch):
    monkeypatch.setenv("STANDIN_KEY", "sesame-open-0123")
    project.edit('base_url = "', 'api_key_env = "STANDIN_KEY"\nbase_url = "')
    project.run("--record=missing").assert_outcomes(passed=8)
    assert project.loopback.asked[-1].headers["authorization"] == "Bearer sesame-open-0123"
    recorded = "".join(path.read_text() for path in project.cassettes.iterdir())
    assert "sesame" not in recorded
    for asked in project.completions_asked:
        for prompt in asked.prompts:
            for words in re.findall(r"\S+ \S+ \S+ \S+", prompt)[:50]:
                assert words not in recorded


@pytest.mark.skipif(sys.platform == "win32", reason="kills with SIGKILL")
@pytest.mark.parametrize("after", [1, 2, 4, 7])
def test_a_killed_recording_goes_on_where_it_stopped(project, after):
    project.run("--record=missing", "-k", "one").assert_outcomes(passed=4, deselected=4)
    whole = contents(project.cassettes)
    in_one_go = [prompt for asked in project.loopback.asked for prompt in asked.prompts]
    for path in project.cassettes.iterdir():
        path.unlink()
    project.loopback.asked.clear()

    def hang(asked):
        if len(project.loopback.asked) > after:
            time.sleep(0.5)
        return project.answer(asked)

    project.loopback.answer = hang
    command = [sys.executable, "-m", "pytest", "benchmarks", "--record=missing", "-k", "one", "-q"]
    process = subprocess.Popen(command, cwd=project.root, stdout=subprocess.DEVNULL)
    while len(project.loopback.asked) <= after:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = sum(map(len, contents(project.cassettes).values()))
    assert kept >= sum(len(asked.prompts) for asked in project.loopback.asked[:after])

    project.loopback.answer = project.answer
    project.loopback.asked.clear()
    project.run("--record=missing", "-k", "one").assert_outcomes(passed=4, deselected=4)
    again = [prompt for asked in project.loopback.asked for prompt in asked.prompts]
    assert again == in_one_go[kept:]
    assert contents(project.cassettes) == whole


def contents(folder: Path):
    """Rows by file: what of a cassette does not depend on the clock or the size of requests."""
    return {
        path.name: [(row["prompt"], row["request"], row["answer"]) for row in rows(path)]
        for path in sorted(folder.iterdir())
    }
