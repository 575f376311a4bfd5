"""The plugin as ``pip install tunebench`` brings it: by entry point, into any pytest run."""

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "harness"
CONFTEST = 'pytest_plugins = ["tunebench.plugin"]\n'
USES_EVALUATE = "def test_it(evaluate, compare, gate): assert callable(evaluate)\n"
OTHER_PLUGIN = """
def pytest_addoption(parser):
    parser.addoption("--record", action="store_true", help="of the other one")
    parser.addoption("--results", help="of the other one")

def pytest_report_header(config):
    return f"other: {config.getoption('--record')} {config.getoption('--results')}"
"""
ASKED = """
import pytest
from tunebench.plugin.fixtures import configuration_key

def test_it(request):
    chosen = request.config.stash[configuration_key]
    assert (chosen.record, str(chosen.results)) == ("missing", "out")
"""


@pytest.fixture
def installed(pytester, tmp_path_factory, monkeypatch):
    """A repository beside an installed tunebench: its entry points are found."""
    folder = tmp_path_factory.mktemp("site") / "tunebench-0.1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.4\nName: tunebench\nVersion: 0.1.0\n")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    plugins = "".join(f"{k} = {v}\n" for k, v in project["entry-points"]["pytest11"].items())
    (folder / "entry_points.txt").write_text(f"[pytest11]\n{plugins}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder.parent), str(SOURCES)]))
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", raising=False)
    # Those of other distributions, which may be here and take seconds, stay out.
    others = {found.name for found in entry_points(group="pytest11")} - {"tunebench"}
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(f"-p no:{name}" for name in sorted(others)))
    return pytester


def test_the_fixtures_are_there_without_a_conftest(installed):
    installed.makepyfile(USES_EVALUATE)
    installed.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize("folder", [".", "tests"])
def test_a_conftest_that_names_the_plugin_does_not_load_it_twice(installed, folder):
    installed.makepyfile(USES_EVALUATE)
    (installed.path / folder).mkdir(exist_ok=True)
    (installed.path / "conftest.py").write_text(CONFTEST)
    result = installed.runpytest_subprocess("-W", "error::pytest.PytestAssertRewriteWarning")
    result.assert_outcomes(passed=1)


def test_a_process_that_has_imported_the_package_gets_no_warning(installed):
    """As of `tunebench record`, and of a notebook."""
    site, _ = os.environ["PYTHONPATH"].split(os.pathsep)
    (distribution,) = Path(site).iterdir()
    (distribution / "RECORD").write_text(
        "tunebench/__init__.py,,\ntunebench/plugin/__init__.py,,\n"
    )
    installed.makepyfile(USES_EVALUATE)
    code = "import sys, tunebench, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    strict = ["-W", "error::pytest.PytestAssertRewriteWarning"]
    done = installed.run(sys.executable, "-c", code, *strict)
    done.assert_outcomes(passed=1)


def test_the_command_line_and_the_environment_may_name_it_too(installed, monkeypatch):
    installed.makepyfile(USES_EVALUATE)
    installed.runpytest_subprocess("-p", "tunebench.plugin").assert_outcomes(passed=1)
    monkeypatch.setenv("PYTEST_PLUGINS", "tunebench.plugin")
    installed.runpytest_subprocess().assert_outcomes(passed=1)


def test_without_autoloading_a_conftest_still_brings_it(installed, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    installed.makepyfile(USES_EVALUATE)
    installed.runpytest_subprocess().assert_outcomes(errors=1)
    installed.makeconftest(CONFTEST)
    installed.runpytest_subprocess().assert_outcomes(passed=1)


def test_it_can_be_turned_off(installed):
    installed.makepyfile("def test_other(): pass")
    installed.runpytest_subprocess("-p", "no:tunebench").assert_outcomes(passed=1)
    turned_off = installed.runpytest_subprocess("-p", "no:tunebench", "--strict-verdicts")
    assert turned_off.ret == pytest.ExitCode.USAGE_ERROR


def test_where_no_experiment_is_it_prints_nothing(installed):
    installed.makepyfile("def test_other(): pass")

    def printed(*args):
        lines = installed.runpytest_subprocess("-v", *args).outlines
        # pytest itself lists what is installed, turned off or not, and the time.
        kept = [line for line in lines if not line.startswith("plugins: ")]
        return re.sub(r"in [\d.]+s", "", "\n".join(kept))

    assert printed() == printed("-p", "no:tunebench")


def test_where_no_experiment_is_it_imports_next_to_nothing(installed):
    code = (
        "import sys, pytest\n"
        "pytest.main(['-q', '-p', 'no:cacheprovider'])\n"
        "print('ours:', sorted(m for m in sys.modules if m.split('.')[0] == 'tunebench'))\n"
        "heavy = {'pydantic', 'pandas', 'openai', 'numpy', 'vcr', 'jinja2', 'torch'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))"
    )
    installed.makepyfile("def test_other(): pass")
    # Hypothesis and others bring some of these along.
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            "PYTHONPATH": f"{SOURCES}:{Path(pytest.__file__).parent.parent}",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_PLUGINS": "tunebench.plugin",
        },
        capture_output=True,
        text=True,
    )
    assert "heavy: []" in done.stdout, done.stdout + done.stderr
    rooms = {"errors", "plugin", "settings"}
    ours = re.search(r"ours: (.*)", done.stdout)[1]
    assert {name.split(".")[1] for name in re.findall(r"tunebench\.[\w.]+", ours)} == rooms


def test_an_option_that_another_plugin_has_is_left_to_it(installed):
    installed.makepyfile(other=OTHER_PLUGIN, test_asked=ASKED)
    result = installed.runpytest_subprocess(
        "-p", "other", "--record", "--results", "theirs",
        "--tunebench-record=missing", "--tunebench-results=out",
    )  # fmt: skip
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["other: True theirs"])


def test_the_long_names_hold_without_another_plugin_too(installed):
    installed.makepyfile(test_asked=ASKED)
    result = installed.runpytest_subprocess("--record=missing", "--tunebench-results", "out")
    result.assert_outcomes(passed=1)
