"""The plugin, as a user meets it: inner pytest runs against a provider on this machine."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .cassette_lines import rows
from .printed import unwrapped

EXPERIMENT = """
[task]
name = "small"
dataset = "imdb_reviews"
labels = ["Negative", "Positive"]
instruction = "Classify following sentence as Positive or Negative"
test_size = 45

[provider.standin]
base_url = "{url}"

[[model]]
name = "one"
provider = "standin"

[[model]]
name = "two"
provider = "standin"

[matrix]
shots = [0, 2]
decision_rules = ["text", "label_logprobs"]

[[threshold]]
decision_rule = "text"
min_accuracy = 0.5
"""

TEST = """
import pytest
from tunebench import Experiment

experiment = Experiment.beside(__file__)


@pytest.mark.parametrize("cell", experiment.cells, ids=str)
def test_accuracy(cell, evaluate):
    result = evaluate(cell)
    assert result.accuracy >= cell.min_accuracy, result.explain()
"""

IDS = [
    f"{model}-{shots}shot{rule}"
    for model in ("one", "two")
    for shots in (0, 2)
    for rule in ("", "-label_logprobs")
]


class Project:
    """A user's repository with one experiment."""

    def __init__(self, pytester, loopback, said):
        self.pytester, self.loopback, self.said = pytester, loopback, said
        self.root = pytester.path
        self.folder = self.root / "benchmarks" / "small"
        self.folder.mkdir(parents=True)
        (self.folder / "test_accuracy.py").write_text(TEST)
        self.toml = self.folder / "experiment.toml"
        self.toml.write_text(EXPERIMENT.format(url=loopback.url))
        (self.root / "conftest.py").write_text('pytest_plugins = ["tunebench.plugin"]\n')
        self.cassettes = self.root / "cassettes" / "small"
        loopback.answer = self.answer

    def answer(self, asked):
        """Say Negative to every prompt, and that it is the likelier label."""
        said = self.loopback.complete(asked)
        for choice in said.body.get("choices", ()):
            choice["text"] = " Nega"
            if "logprobs" in asked.fields:
                top = {" Negative": -0.1, " Positive": -2.4}
                choice["logprobs"] = {"tokens": [" Negative"], "top_logprobs": [top]}
        return said

    def run(self, *args):
        return unwrapped(self.pytester.runpytest_inprocess("benchmarks", *args))

    def edit(self, old, new):
        text = self.toml.read_text()
        assert old in text
        self.toml.write_text(text.replace(old, new))

    def results(self, folder="out"):
        return json.loads((self.root / folder / "results.json").read_text())

    @property
    def completions_asked(self):
        return [asked for asked in self.loopback.asked if asked.path.endswith("/completions")]


@pytest.fixture
def project(pytester, loopback, said, data_dir, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    return Project(pytester, loopback, said)


@pytest.fixture
def recorded(project, recordings):
    recordings.record(project, passed=8)
    return project


def test_each_cell_is_a_case_that_k_selects(project):
    result = project.run("--co", "-q", "-k", "one and 2shot")
    result.stdout.fnmatch_lines(
        ["*test_accuracy[[]one-2shot[]]", "*test_accuracy[[]one-2shot-label_logprobs[]]"]
    )


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


def test_a_cell_below_its_threshold_fails_with_its_figures(recorded):
    recorded.edit("min_accuracy = 0.5", "min_accuracy = 0.99")
    result = recorded.run("--results", "out", "-k", "one-0shot and not logprobs")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*one-0shot: 27 of 45 right, accuracy 0.600 *threshold 0.99*"])
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
        ["cassettes/small/one-0shot.jsonl: 5 recorded answers were not asked for*"]
    )


def test_a_cassette_of_no_cell_is_reported_by_a_run_over_the_whole_matrix(recorded):
    recorded.edit('[[model]]\nname = "two"\nprovider = "standin"\n', "")
    result = recorded.run()
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["cassettes/small: no cell uses two-0shot-label_logprobs.jsonl*"])
    result = recorded.run("-k", "one-0shot")
    result.stdout.no_fnmatch_line("*no cell uses*")


def test_a_changed_instruction_is_a_miss_that_names_cell_item_and_difference(recorded):
    recorded.edit("Classify following", "Please classify the following")
    result = recorded.run("-k", "one-0shot and not logprobs")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["one-0shot, item movie-reviews/*the text of the prompt*--record=missing*"]
    )


def test_a_changed_parameter_is_named_with_both_values(recorded):
    recorded.edit("test_size = 45", "test_size = 45\nmax_tokens = 7")
    result = recorded.run("-k", "one-0shot and not logprobs")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*differs in max_tokens (recorded 1, asked 7)*"])


def test_a_failed_request_is_an_error_of_the_cell_and_no_wrong_answer(project):
    project.edit('base_url = "', 'retries = 0\nbase_url = "')
    project.loopback.answer = lambda asked: project.said(
        {"error": {"message": "out of memory"}}, status=500
    )
    result = project.run("--record=missing", "--results", "out", "-k", "one-0shot")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*one-0shot: */tokenize*500 (out of memory)*"])
    results = project.results()
    assert results["cells"] == []
    assert [error["cell"] for error in results["errors"]] == IDS[:2]


def test_a_second_test_of_the_same_cell_gets_the_same_result(recorded):
    (recorded.folder / "test_again.py").write_text(TEST)
    result = recorded.run("--results", "out")
    result.assert_outcomes(passed=16)
    assert len(recorded.results()["cells"]) == 8


def test_other_connections_are_refused_while_a_cell_replays(recorded, loopback):
    (recorded.root / "conftest.py").write_text(
        "import urllib.request\n"
        "import pytest\n"
        "from tunebench.evaluation import runner\n"
        'pytest_plugins = ["tunebench.plugin"]\n'
        "@pytest.fixture(autouse=True)\n"
        "def telephone(monkeypatch):\n"
        "    real = runner.text_requests\n"
        "    def ask(*args):\n"
        f"        urllib.request.urlopen('{loopback.root}/health')\n"
        "        return real(*args)\n"
        "    monkeypatch.setattr(runner, 'text_requests', ask)\n"
    )
    result = recorded.run("-k", "one-0shot and not logprobs")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*one-0shot: a connection to * was refused*"])
    assert loopback.asked == []


def test_recording_in_several_processes_is_refused(project):
    result = project.pytester.runpytest_subprocess(
        "benchmarks", "--record=missing", "-n", "2", "-p", "xdist"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--record works in one process*"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "shots = [0, 2]",
            "shot = [0, 2]",
            "*[[]matrix[]]: unknown key 'shot'; did you mean 'shots'*",
        ),
        ("shots = [0, 2]", "shots = [-1]", "*[[]matrix[]] shots 1: must be at least 0, not -1.*"),
        ("min_accuracy = 0.5", "min_accuracy = 1.5", "*[[][[]threshold[]][]] 1: min_accuracy*1.5*"),
        ("min_accuracy = 0.5", 'model = "tow"\nmin_accuracy = 0.5', "*no model 'tow'*'two'*"),
        ("min_accuracy = 0.5", "shots = 3\nmin_accuracy = 0.5", "*no cell*shots = 3*"),
        ('labels = ["Negative", "Positive"]', 'labels = ["Yes"]', "*two labels or more*"),
        ('base_url = "', 'endpoint = "edits"\nbase_url = "', "*[[]provider.standin[]] endpoint*"),
        ("test_size = 45", "test_size = ", "*experiment.toml: this is not TOML*"),
    ],
)
def test_a_wrong_experiment_file_is_one_sentence(project, old, new, said):
    project.edit(old, new)
    result = project.pytester.runpytest_subprocess("benchmarks")
    result.assert_outcomes(errors=1)
    errors = [line for line in result.outlines if "experiment.toml: " in line]
    assert len(errors) == 1
    result.stdout.fnmatch_lines([said])


def test_a_missing_experiment_file_is_one_sentence_also_in_a_worker(project):
    project.toml.unlink()
    result = project.pytester.runpytest_subprocess("benchmarks", "-n", "2", "-p", "xdist")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*experiment.toml: there is no such experiment file*"])


def test_more_texts_than_there_are_is_a_failed_case_in_a_sentence(project):
    project.edit("test_size = 45", "test_size = 1001")
    result = project.run("-k", "one-0shot and not logprobs")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*test_size: 1001 is more than the 1000 test rows*lower it*"])


def test_a_key_that_is_not_set_is_said_before_anything_is_asked(project):
    project.edit('base_url = "', 'api_key_env = "NO_SUCH_KEY"\nbase_url = "')
    result = project.run("--record=missing", "-k", "one-0shot and not logprobs")
    result.stdout.fnmatch_lines(["*[[]provider.standin[]]*NO_SUCH_KEY, which is not set*"])
    assert project.loopback.asked == []


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


def test_results_that_cannot_be_written_are_one_sentence(recorded):
    (recorded.root / "out").write_text("a file")
    result = recorded.pytester.runpytest_subprocess("benchmarks", "--results", "out")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*out: the results could not be written*"])


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
