"""The plugin, as a user meets it: cases, results and the table of a run."""

import subprocess
import sys

from .small_project import IDS, TEST


def test_each_cell_is_a_case_that_k_selects(project):
    result = project.run("--co", "-q", "-k", "one and 2shot")
    result.stdout.fnmatch_lines(
        ["*test_accuracy[[]one-2shot[]]", "*test_accuracy[[]one-2shot-label_logprobs[]]"]
    )


def test_a_cell_below_its_threshold_fails_with_its_figures(recorded):
    recorded.edit("min_accuracy = 0.5", "min_accuracy = 0.99")
    result = recorded.run("--results", "out", "-k", "one-0shot and not logprobs")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*one-0shot: 27 of 45 right, accuracy 0.600 *threshold 0.99*"])
    result.stdout.fnmatch_lines(["*where 0.6 = <Result one-0shot: 27 of 45 right>.accuracy"])
    assert [cell["verdict"] for cell in recorded.results()["cells"]] == ["fail"]


def test_results_hold_a_row_for_every_cell(recorded):
    recorded.run("--results", "out").assert_outcomes(passed=8)
    results = recorded.results()
    assert results["errors"] == []
    rows = results["cells"]
    assert [row["cassette"] for row in rows] == [f"cassettes/small/{id_}.jsonl" for id_ in IDS]
    first = rows[0]
    assert first["experiment"] == "small"
    assert (first["model"], first["shots"], first["train_size"]) == ("one", 0, 0)
    assert (first["n"], first["correct"], first["decision_rule"]) == (45, 27, "text")
    assert first["accuracy"] == first["majority_rate"] == 27 / 45
    assert first["ci_low"] < first["accuracy"] < first["ci_high"]
    assert (first["min_accuracy"], first["verdict"]) == (0.5, "pass")
    assert (rows[1]["min_accuracy"], rows[1]["verdict"]) == (None, None)
    assert (first["prompt_tokens"], first["completion_tokens"]) == (450, 45)
    assert first["latency_ms_median"] > 0
    assert first["recorded_at"].startswith("20")


def test_results_are_the_same_bytes_when_recorded_replayed_and_spread_over_processes(project):
    project.run("--record=missing", "--results", "recorded").assert_outcomes(passed=8)
    project.run("--results", "replayed").assert_outcomes(passed=8)
    project.pytester.runpytest_subprocess(
        "benchmarks", "--results", "spread", "-n", "2", "-p", "xdist"
    ).assert_outcomes(passed=8)
    for name in ("results.json", "results.csv"):
        texts = {(project.root / d / name).read_bytes() for d in ("recorded", "replayed", "spread")}
        assert len(texts) == 1


def test_the_order_of_the_cases_does_not_show_in_the_results(recorded):
    recorded.run("--results", "forwards")
    cases = [f"benchmarks/small/test_accuracy.py::test_accuracy[{id_}]" for id_ in reversed(IDS)]
    recorded.pytester.runpytest_inprocess(*cases, "--results", "backwards")
    assert recorded.results("forwards") == recorded.results("backwards")


def test_the_table_shows_every_cell_once(recorded):
    lines = recorded.run().stdout.lines
    start = next(i for i, line in enumerate(lines) if line.startswith("cell "))
    rows = [line.split() for line in lines[start + 1 : start + 9]]
    assert [row[0] for row in rows] == IDS
    assert rows[0][1:] == ["45", "0.600", "0.455-0.730", "0.600", "0.500", "pass"]


def test_a_run_without_cells_prints_nothing_of_ours(pytester):
    pytester.makeconftest('pytest_plugins = ["tunebench.plugin"]')
    pytester.makepyfile("def test_other(): pass")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=1)
    # pytest's own list of installed plugins apart.
    ours = [line for line in result.outlines if "tunebench" in line and "plugins: " not in line]
    assert ours == []


def test_collecting_imports_nothing_heavy(project):
    code = (
        "import sys, pytest\n"
        "pytest.main(['benchmarks', '--co', '-q', '-p', 'no:cacheprovider'])\n"
        "heavy = {'tensorflow_datasets', 'torch', 'transformers', 'pandas', 'openai', 'vcr'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project.root, capture_output=True, text=True
    )
    assert "heavy: []" in done.stdout, done.stdout + done.stderr


def test_replaying_imports_neither_torch_nor_tfds(recorded):
    code = (
        "import sys, pytest\n"
        "status = pytest.main(['benchmarks', '-q'])\n"
        "heavy = {'tensorflow_datasets', 'tensorflow', 'torch', 'transformers', 'scipy'}\n"
        "print('status', int(status), 'heavy:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=recorded.root, capture_output=True, text=True
    )
    assert "status 0 heavy: []" in done.stdout, done.stdout + done.stderr


def test_recorded_answers_that_nothing_asked_for_are_reported(recorded):
    recorded.edit("test_size = 45", "test_size = 40")
    result = recorded.run("-k", "one-0shot and not logprobs")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["cassettes/small/one-0shot.jsonl: 5 recorded answers were not asked for; they are kept *"]
    )


def test_a_cassette_of_no_cell_is_reported_by_a_run_over_the_whole_matrix(recorded):
    recorded.edit('[[model]]\nname = "two"\nprovider = "standin"\n', "")
    result = recorded.run()
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["cassettes/small: no cell uses two-0shot-label_logprobs.jsonl*"])
    result = recorded.run("-k", "one-0shot")
    result.stdout.no_fnmatch_line("*no cell uses*")


def test_a_second_test_of_the_same_cell_gets_the_same_result(recorded):
    (recorded.folder / "test_again.py").write_text(TEST)
    result = recorded.run("--results", "out")
    result.assert_outcomes(passed=16)
    assert len(recorded.results()["cells"]) == 8
