"""What a change of a repository's data can do: it records nothing, and writes nothing outside."""

import os

import pytest

from tunebench.cli import main

from ..pets_project import edit

FOUND = """
import os

def pytest_load_initial_conftests():
    os.environ.update(TUNEBENCH_RECORD="missing", PYTEST_ADDOPTS="--record=missing")
"""


@pytest.fixture
def repository(pets, monkeypatch):
    """An experiment that names any variable as its key; nothing is recorded."""
    monkeypatch.setenv("PRECIOUS", "made-up-0a1b2c3d4e5f")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pets.toml = pets.add()
    edit(pets.toml, "retries = 0", 'retries = 0\napi_key_env = "PRECIOUS"')
    return pets


@pytest.fixture
def outside(tmp_path_factory):
    return tmp_path_factory.mktemp("outside")


def refused(repository, *arguments):
    done = repository.run(*arguments)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = (line for line in done.stderr.lines if line.startswith("ERROR: "))
    assert repository.loopback.asked == []
    return line


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", '[tool.tunebench]\nrecord = "missing"\n'),
        ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = "--record=all"\n'),
        ("pytest.ini", "[pytest]\naddopts = --tunebench-record missing\n"),
        ("tox.ini", "[pytest]\naddopts = --record missing\n"),
        ("setup.cfg", "[tool:pytest]\naddopts = @more.txt\n"),
    ],
)
def test_no_file_switches_on_recording(repository, name, text):
    (repository.root / name).write_text(text)
    (repository.root / "more.txt").write_text("--record=missing\n")
    said = refused(repository)
    assert f"{name}: " in said
    assert "a file does not switch on recording; remove it, and give --record" in said


def test_a_file_of_arguments_does_not_either(repository):
    (repository.root / "more.txt").write_text("--record=missing\n")
    assert "@more.txt: a file does not switch on recording" in refused(repository, "@more.txt")


def test_nor_do_variables_that_a_plugin_reads_from_a_file(repository):
    repository.pytester.syspathinsert()
    repository.pytester.makepyfile(dotenv=FOUND)
    kept = dict(os.environ)
    try:
        done = repository.run("-p", "tunebench.plugin", "-p", "dotenv")
    finally:
        os.environ.clear()
        os.environ.update(kept)
    done.assert_outcomes(failed=1)
    assert repository.loopback.asked == []


@pytest.mark.parametrize("variable", ["TUNEBENCH_RECORD", "PYTEST_ADDOPTS"])
def test_a_variable_of_the_user_does(repository, monkeypatch, variable):
    value = {"TUNEBENCH_RECORD": "missing", "PYTEST_ADDOPTS": "--record=missing"}[variable]
    monkeypatch.setenv(variable, value)
    repository.run().assert_outcomes(passed=1)
    assert repository.loopback.asked


def test_the_command_line_counts_whatever_the_file_says(repository):
    repository.pytester.makeini("[pytest]\naddopts = --record=none\n")
    repository.record().assert_outcomes(passed=1)
    repository.pytester.makeini("[pytest]\naddopts = --record=missing\n")
    repository.record().assert_outcomes(passed=1)


@pytest.mark.parametrize("place", ["[tool.tunebench]", "addopts"])
@pytest.mark.parametrize("path", ["../outside", "/{outside}/new", "link/new"])
def test_a_file_does_not_make_a_run_write_results_outside(repository, outside, place, path):
    (repository.root / "link").symlink_to(outside)
    path = path.format(outside=outside)
    if place == "addopts":
        repository.pytester.makeini(f"[pytest]\naddopts = --results={path}\n")
    else:
        repository.pytester.makepyprojecttoml(f'[tool.tunebench]\nresults = "{path}"\n')
    said = refused(repository)
    assert f"is outside the repository {repository.root}; name a folder in it" in said
    assert not (repository.root.parent / "outside").exists()
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("variable", [None, "TUNEBENCH_RESULTS"])
def test_the_user_may_write_results_anywhere(repository, outside, monkeypatch, variable):
    repository.pytester.makeini("[pytest]\naddopts = --results=inside\n")
    assert repository.record().ret == 0
    assert (repository.root / "inside/results.json").exists()
    repository.pytester.makeini("[pytest]\n")
    if variable:
        monkeypatch.setenv(variable, str(outside))
    assert repository.run(*([] if variable else [f"--results={outside}"])).ret == 0
    assert (outside / "results.json").exists()


@pytest.mark.parametrize("path", ["../x", "/{outside}", "link"])
def test_a_file_does_not_put_cassettes_outside(repository, outside, monkeypatch, path):
    (repository.root / "link").symlink_to(outside)
    path = path.format(outside=outside)
    repository.pytester.makepyprojecttoml(f'[tool.tunebench]\ncassettes = "{path}"\n')
    assert "cassettes: " in refused(repository, "--record=missing")
    assert list(outside.iterdir()) == []
    repository.pytester.makepyprojecttoml("")
    monkeypatch.setenv("TUNEBENCH_CASSETTES", str(outside))
    repository.record().assert_outcomes(passed=1)
    assert (outside / "pets/m-0shot.jsonl").exists()


@pytest.mark.parametrize("inner", ["benchmarks", "benchmarks/pets"])
def test_a_file_beside_the_experiment_does_not_either(repository, outside, inner):
    path = repository.root / inner / "pyproject.toml"
    path.write_text(f'[tool.tunebench]\ncassettes = "{outside}"\n')
    (repository.root / ".git").mkdir()
    done = repository.record()
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert "INTERNALERROR" not in done.stdout.str()
    assert f"{outside} is outside the repository" in done.stdout.str()
    assert repository.loopback.asked == []
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("linked", ["cassettes", "cassettes/pets", "cassettes/pets/m-0shot.jsonl"])
def test_links_do_not_lead_a_recording_outside(repository, outside, linked):
    link, target = repository.root / linked, outside / "target"
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.suffix:
        target.write_text("")
    else:
        target.mkdir()
    link.symlink_to(target)
    done = repository.record()
    done.assert_outcomes(failed=1)
    assert "is outside the repository" in done.stdout.str()
    assert repository.loopback.asked == []
    assert target.read_text() == "" if link.suffix else list(target.iterdir()) == []


def test_a_recording_does_not_write_through_a_link_within_the_repository(repository):
    link = repository.root / "cassettes/pets/m-0shot.jsonl"
    link.parent.mkdir(parents=True)
    link.symlink_to(repository.root / "precious.txt")
    done = repository.record()
    done.assert_outcomes(failed=1)
    assert "the cassette is not a regular file" in done.stdout.str()
    assert not (repository.root / "precious.txt").exists()


def test_cassettes_behind_a_link_still_replay(repository, outside):
    assert repository.record().ret == 0
    (repository.root / "cassettes").rename(outside / "cassettes")
    (repository.root / "cassettes").symlink_to(outside / "cassettes")
    repository.run().assert_outcomes(passed=1)


def test_doctor_sends_no_key_that_only_the_file_names(repository, monkeypatch, capsys):
    monkeypatch.chdir(repository.root)
    arguments = ["doctor", "benchmarks/pets", "--provider", "standin"]
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert repository.loopback.asked == []
    assert "the file alone does not make it send the key in PRECIOUS to " in said
    assert said.endswith("give --provider standin --api-key-env PRECIOUS.\n")
    main([*arguments, "--api-key-env", "PRECIOUS"])
    assert repository.loopback.asked
