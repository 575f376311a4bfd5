"""What a run says where a cell has no result, or the experiment is wrong: a sentence."""

import pytest

from .small_project import IDS


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


def test_other_connections_are_refused_while_a_cell_replays(recorded, loopback):
    (recorded.root / "conftest.py").write_text(
        "import urllib.request\n"
        "import pytest\n"
        "from tunebench.evaluation import replaying\n"
        'pytest_plugins = ["tunebench.plugin"]\n'
        "@pytest.fixture(autouse=True)\n"
        "def telephone(monkeypatch):\n"
        "    real = replaying.text_requests\n"
        "    def ask(*args):\n"
        f"        urllib.request.urlopen('{loopback.root}/health')\n"
        "        return real(*args)\n"
        "    monkeypatch.setattr(replaying, 'text_requests', ask)\n"
    )
    result = recorded.run("-k", "one-0shot and not logprobs")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*one-0shot: a connection to * was refused*"])
    assert loopback.asked == []


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


def test_results_that_cannot_be_written_are_one_sentence(recorded):
    (recorded.root / "out").write_text("a file")
    result = recorded.pytester.runpytest_subprocess("benchmarks", "--results", "out")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*out: the results could not be written*"])
