"""``[tool.tunebench]``: what a repository sets once, and who wins."""

from pathlib import Path

import pytest

from tunebench import Experiment
from tunebench.errors import ConfigurationError
from tunebench.settings import Configuration, configuration

from ..experiment_example import read_example

SHOWS = """
from tunebench.plugin.fixtures import configuration_key

def test_it(request):
    print("chosen:", request.config.stash[configuration_key])
"""


@pytest.fixture
def write(tmp_path):
    def write(table: str) -> Path:
        (tmp_path / "pyproject.toml").write_text(f"[tool.tunebench]\n{table}\n")
        return tmp_path

    return write


def test_every_setting_can_stand_in_the_file(write):
    folder = write(
        'record = "none"\nresults = "out"\nrivals = true\nbudget = 2\n'
        'strict_verdicts = true\ncassettes = "tapes"'
    )
    assert configuration(folder, {}, {}) == Configuration(
        "none", folder / "out", True, 2, True, folder / "tapes"
    )


def test_without_a_file_replay_is_the_default(tmp_path):
    assert configuration(tmp_path, {}, {}) == Configuration(record="none")


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(write):
    folder = write('results = "file"\nbudget = 1\nstrict_verdicts = true')
    environment = {
        "TUNEBENCH_RESULTS": "environment",
        "TUNEBENCH_BUDGET": "2",
        "TUNEBENCH_STRICT_VERDICTS": "no",
    }
    chosen = configuration(folder, {"budget": 3.0, "results": None}, environment)
    assert (chosen.results, chosen.budget) == (Path("environment"), 3.0)
    assert chosen.strict_verdicts is False


def test_the_nearest_file_with_the_table_counts(write):
    outer = write("budget = 1")
    inner = outer / "package" / "deep"
    inner.mkdir(parents=True)
    (outer / "package" / "pyproject.toml").write_text("[tool.other]\nname = 'tunebench'\n")
    assert configuration(inner, {}, {}).budget == 1


def test_a_file_above_the_repository_does_not_count(write):
    outer = write("budget = 1")
    inner = outer / "repository" / "package"
    inner.mkdir(parents=True)
    (outer / "repository" / ".git").mkdir()
    assert configuration(inner, {}, {}).budget is None
    (outer / "repository" / "pyproject.toml").write_text("[tool.tunebench]\nbudget = 2\n")
    assert configuration(inner, {}, {}).budget == 2


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("strict-verdicts = true", "did you mean 'strict_verdicts'?"),
        ("recrod = 'all'", "did you mean 'record'?"),
        (
            "zebra = 1",
            "known are record, results, rivals, budget, strict_verdicts, "
            "cassettes, max_texts, max_minutes.",
        ),
        ("record = 'always'", "record: must be one of 'none', 'missing', 'all', not 'always'."),
        ("record = []", "record: must be one of"),
        ("results = 3", "results: must be the path of a folder, not 3."),
        ("max_texts = 0", "max_texts: must be a whole number of 1 or more, not 0."),
        ("max_texts = 1.5", "max_texts: must be a whole number of 1 or more, not 1.5."),
        ("max_minutes = 0", "max_minutes: must be a number of minutes above 0, not 0."),
        ("budget = '3'", "budget: must be an amount of 0 or more, not '3'."),
        ("budget = nan", "budget: must be an amount"),
        ("budget = true", "budget: must be an amount"),
        ("rivals = 'yes'", "rivals: must be true, false or 'train', not 'yes'."),
        ("budget = ", "this is not TOML"),
    ],
)
def test_a_mistake_is_one_sentence_before_any_test_runs(pytester, table, said):
    path = pytester.makepyprojecttoml(f"[tool.tunebench]\n{table}\n")
    with pytest.raises(ConfigurationError) as error:
        configuration(pytester.path, {}, {})
    assert said in str(error.value)
    assert str(error.value).startswith(f"{path}: ")
    if "TOML" in said:
        return  # pytest says so itself
    pytester.makeconftest('pytest_plugins = ["tunebench.plugin"]')
    result = pytester.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {error.value}" in result.stderr.str()


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("TUNEBENCH_BUDGET", "much", "TUNEBENCH_BUDGET: must be an amount of 0 or more"),
        (
            "TUNEBENCH_RIVALS",
            "perhaps",
            "TUNEBENCH_RIVALS: must be true, false or 'train', not 'perhaps'",
        ),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(tmp_path, variable, value, said):
    with pytest.raises(ConfigurationError, match=said):
        configuration(tmp_path, {}, {variable: value})


def test_the_table_must_be_a_table(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool]\ntunebench = 'missing'\n")
    with pytest.raises(ConfigurationError) as error:
        configuration(tmp_path, {}, {})
    path = tmp_path / "pyproject.toml"
    assert str(error.value) == f"{path}: [tool] tunebench: must be a table; write [tool.tunebench]."


def test_it_is_found_from_the_rootdir_wherever_pytest_is_started(pytester, monkeypatch):
    pytester.makepyprojecttoml(
        "[tool.pytest.ini_options]\n[tool.tunebench]\nresults = 'out'\nstrict_verdicts = true\n"
    )
    pytester.makeconftest('pytest_plugins = ["tunebench.plugin"]')
    pytester.makepyfile(test_shown=SHOWS)
    below = pytester.mkdir("below")
    monkeypatch.chdir(below)
    result = pytester.runpytest_inprocess("-s", "..")
    result.stdout.fnmatch_lines([f"*chosen: *{str(pytester.path / 'out')!r}*strict_verdicts=True*"])


def test_cassettes_lie_where_the_file_says(write):
    folder = write('cassettes = "tapes"')
    cell = read_example(folder).cells[0]
    assert cell.cassette == folder / "tapes" / "imdb" / f"{cell}.jsonl"
    assert cell.cassette_name == f"tapes/imdb/{cell}.jsonl"


def test_a_wrong_folder_of_cassettes_is_one_sentence(write):
    folder = write("cassettes = 1")
    with pytest.raises(ConfigurationError, match="cassettes: must be the path of a folder"):
        _ = read_example(folder).cassettes


def test_without_it_cassettes_lie_beside_benchmarks(tmp_path):
    folder = tmp_path / "benchmarks" / "imdb"
    folder.mkdir(parents=True)
    experiment = read_example(folder)
    assert isinstance(experiment, Experiment)
    assert experiment.cassettes == tmp_path / "cassettes" / "imdb"
    assert experiment.cells[0].cassette_name.startswith("cassettes/imdb/")
