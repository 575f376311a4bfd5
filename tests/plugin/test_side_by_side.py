"""Recording of several cells and jobs at the same time, where the provider takes that."""

import _thread
import json
import threading

import pytest

WAIT = 30.0


@pytest.fixture
def parallel(project):
    """A project whose provider takes four requests at once."""
    project.edit('base_url = "', 'concurrency = 4\nbase_url = "')
    return project


def meeting(provider, who):
    """Let the first request of each of two kinds wait for the other's."""
    answer, both, met = provider.answer, threading.Barrier(2, timeout=WAIT), set()
    changing = threading.Lock()

    def wait_first(asked):
        name = who(asked)
        with changing:
            first = name is not None and name not in met
            met.add(name)
        if first:
            both.wait()
        return answer(asked)

    provider.answer = wait_first
    return met


def rows(folder):
    """What each cassette holds, whatever the order and the time."""
    volatile = {"recorded_at", "latency_ms", "crc32", "server"}
    return {
        path.relative_to(folder).as_posix(): sorted(
            json.dumps({k: v for k, v in json.loads(line).items() if k not in volatile})
            for line in path.read_text().splitlines()
        )
        for path in folder.rglob("*.jsonl")
    }


def test_cells_are_recorded_at_the_same_time_as_one_after_the_other(parallel) -> None:
    parallel.edit("concurrency = 4\n", "")
    parallel.run("--record=missing", "--results", "alone").assert_outcomes(passed=8)
    alone, asked = rows(parallel.cassettes), len(parallel.loopback.asked)
    for path in parallel.cassettes.rglob("*.jsonl"):
        path.unlink()
    parallel.edit('base_url = "', 'concurrency = 4\nbase_url = "')
    met = meeting(
        parallel.loopback,
        lambda asked: asked.fields["model"] if asked.path == "/v1/completions" else None,
    )
    parallel.run("--record=missing", "--results", "together").assert_outcomes(passed=8)
    assert {"one", "two"} <= met
    assert rows(parallel.cassettes) == alone
    assert len(parallel.loopback.asked) == 2 * asked
    cells = [parallel.results(folder)["cells"] for folder in ("alone", "together")]
    accuracies = [[(row["cell"], row["accuracy"]) for row in some] for some in cells]
    assert accuracies[0] == accuracies[1]
    assert parallel.loopback.most_at_once <= 4


def test_a_whole_recording_asks_once(parallel) -> None:
    parallel.run("--record=missing").assert_outcomes(passed=8)
    asked = len(parallel.loopback.asked)
    parallel.run("--record=all").assert_outcomes(passed=8)
    assert len(parallel.loopback.asked) == 2 * asked
    assert list(parallel.cassettes.rglob("*.part")) == []
    parallel.run().assert_outcomes(passed=8)


def test_jobs_run_at_the_same_time(film_project) -> None:
    film_project.edit('base_url = "', 'concurrency = 2\nbase_url = "')
    film_project.edit("n_epochs = 2", "n_epochs = 2\nseeds = [0, 1]")

    def seed_of(asked):
        creates = asked.path == "/v1/fine_tuning/jobs" and asked.body
        return json.dumps(asked.fields["seed"]) if creates else None

    met = meeting(film_project.loopback, seed_of)
    film_project.record().assert_outcomes(passed=6)
    assert met == {None, "0", "1"}
    film_project.run().assert_outcomes(passed=6)


def test_the_bar_counts_the_texts_of_all_cells(parallel) -> None:
    stderr = parallel.run("--record=missing").stderr.str()
    assert "8 cells: 100%" in stderr
    assert "360/360" in stderr
    assert "one-0shot: " not in stderr


def test_one_after_the_other_each_bar_says_what_is_left_of_the_run(project) -> None:
    stderr = project.run("--record=missing").stderr.str()
    assert "one-0shot: 100%" in stderr
    assert "whole run: 315 texts left, about 0" in stderr
    assert "8 cells" not in stderr


def test_what_fails_fails_alone(parallel) -> None:
    answer = parallel.loopback.answer

    def refuse(asked):
        if asked.path == "/v1/completions" and asked.fields["model"] == "two":
            return parallel.said({"error": {"message": "no such model"}}, 404)
        return answer(asked)

    parallel.loopback.answer = refuse
    result = parallel.run("--record=missing")
    result.assert_outcomes(passed=4, failed=4)
    result.stdout.fnmatch_lines(["*two-0shot*no such model*"])
    parallel.loopback.answer = answer
    parallel.run("--record=missing").assert_outcomes(passed=8)


def test_only_what_is_selected_and_not_skipped_is_recorded(parallel) -> None:
    test = parallel.folder / "test_accuracy.py"
    marked = "[pytest.param(c, marks=pytest.mark.skip) if c.shots else c for c in experiment.cells]"
    test.write_text(test.read_text().replace("experiment.cells,", f"{marked},"))
    parallel.run("--record=missing", "-k", "not logprobs").assert_outcomes(passed=2, skipped=2)
    names = {path.name for path in parallel.cassettes.glob("*.jsonl")} - {"items.jsonl"}
    assert names == {"one-0shot.jsonl", "two-0shot.jsonl"}


def test_a_limit_of_texts_holds_for_all_of_them_together(parallel) -> None:
    parallel.run("--record=missing", "--max-texts", "100")
    sent = sum(len(asked.prompts) for asked in parallel.completions_asked)
    assert sent == 100
    parallel.run("--record=missing").assert_outcomes(passed=8)


def test_an_interrupt_ends_all_of_them_and_keeps_what_came(parallel) -> None:
    answer = parallel.loopback.answer
    came = threading.Event()

    def interrupt_once(asked):
        said = answer(asked)
        if asked.path == "/v1/completions" and not came.is_set():
            came.set()
            _thread.interrupt_main()
        return said

    parallel.loopback.answer = interrupt_once
    with pytest.raises(KeyboardInterrupt):
        parallel.run("--record=missing")
    before = len(parallel.completions_asked)
    assert before < 24
    parallel.loopback.answer = answer
    parallel.run("--record=missing").assert_outcomes(passed=8)
    assert len(parallel.completions_asked) <= 24 + 4
