"""An experiment file that is wrong: one collection error in a sentence, and all else runs."""

import pytest

BROKEN = "shot = [0]"
SAID = "*benchmarks/broken/experiment.toml: [[]matrix[]]: unknown key 'shot'; did you mean 'shots'?"


@pytest.fixture
def project(pets):
    """A recorded experiment, one that is broken, and a test of another kind."""
    pets.add()
    assert pets.record().ret == 0
    path = pets.add("benchmarks/broken", name="broken")
    path.write_text(path.read_text().replace("shots = [0]", BROKEN))
    (pets.root / "test_other.py").write_text("def test_other(): pass\n")
    return pets


@pytest.mark.parametrize("parallel", [(), ("-n", "2", "-p", "xdist")], ids=["one process", "xdist"])
def test_it_is_one_error_in_a_sentence_and_the_other_tests_run(project, parallel):
    done = project.run(*parallel)
    done.assert_outcomes(passed=2, errors=1)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["*ERROR collecting benchmarks/broken/test_*", SAID])
    shown = done.stdout.str() + done.stderr.str()
    assert shown.count("did you mean") == 1
    assert "Traceback" not in shown
    assert "Interrupted" not in shown
    done.stdout.fnmatch_lines(["m-0shot *1.000*"])


def test_results_are_written_without_it(project):
    project.run("--results", "out")
    assert [row["cell"] for row in project.results()["cells"]] == ["m-0shot"]


@pytest.mark.parametrize(
    "args",
    [["-k", "pets or other"], ["-m", "not slow"], ["--deselect", "benchmarks/broken"]],
)
def test_it_cannot_be_deselected_in_silence(project, args):
    done = project.run(*args)
    assert done.parseoutcomes()["errors"] == 1
    assert done.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("args", [(), ("-n", "1", "-p", "xdist")], ids=["one process", "xdist"])
def test_alone_it_is_an_error_too(project, args):
    done = project.run("benchmarks/broken", *args)
    done.assert_outcomes(errors=1)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines([SAID])


def test_a_case_of_it_that_is_named_shows_the_sentence(project):
    name = "benchmarks/broken/test_benchmarks_broken_experiment.py::test_accuracy[m-0shot]"
    done = project.run(name)
    assert done.ret != 0
    done.stdout.fnmatch_lines([SAID])


def test_listing_the_tests_fails_as_with_any_error_of_collection(project):
    done = project.run("--co", "-q")
    assert done.ret == pytest.ExitCode.INTERRUPTED
    done.stdout.fnmatch_lines([SAID])


def test_an_error_of_another_kind_stops_the_run_as_pytest_does(project):
    (project.root / "test_wrong.py").write_text("import no_such_module\n")
    done = project.run()
    assert done.ret == pytest.ExitCode.INTERRUPTED
    done.stdout.fnmatch_lines([SAID, "*No module named 'no_such_module'*"])


def test_the_first_failure_stops_the_run_where_that_is_asked_for(project):
    done = project.run("-x")
    assert done.parseoutcomes().get("passed", 0) == 0
    assert done.ret != 0


def test_two_are_two_errors(project):
    path = project.add("benchmarks/another", name="another")
    path.write_text(path.read_text().replace("shots = [0]", BROKEN))
    done = project.run()
    done.assert_outcomes(passed=2, errors=2)


def test_one_that_a_conftest_reads_is_a_sentence_too(project):
    folder = project.root / "benchmarks/broken"
    (folder / "conftest.py").write_text(
        f"from tunebench import Experiment\nexperiment = Experiment.read({str(folder)!r} + "
        "'/experiment.toml')\n"
    )
    done = project.run()
    assert done.parseoutcomes()["passed"] == 2
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines([SAID])
    assert "Traceback" not in done.stdout.str()


@pytest.mark.parametrize("kind", ["folder", "missing", "no text", "no permission"])
def test_a_file_that_cannot_be_read_is_a_sentence(project, kind, monkeypatch):
    path = project.root / "benchmarks/broken/experiment.toml"
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "no text":
        path.write_bytes(b"\xff\xfe\x00")
    elif kind == "no permission":
        path.touch()
        real = type(path).read_text

        def read_text(self, *args, **more):
            if self.name == path.name and "broken" in self.parts:
                raise PermissionError(13, "Permission denied", str(self))
            return real(self, *args, **more)

        monkeypatch.setattr(type(path), "read_text", read_text)
    done = project.run()
    done.assert_outcomes(passed=2, errors=1)
    assert "Traceback" not in done.stdout.str()
    (line,) = [one for one in done.outlines if "broken/experiment.toml: " in one]
    assert line.startswith(str(path))
