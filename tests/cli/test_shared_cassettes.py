"""``tunebench cassettes prune`` where other experiments may use the same cassettes."""

import os

import pytest

from tunebench.cli import main

from ..pets_project import edit


@pytest.fixture
def project(pets, monkeypatch, capfd):
    """An experiment with an orphan, which prune removes if nobody else may use it."""
    monkeypatch.chdir(pets.root)
    (pets.root / ".git").mkdir()
    pets.toml = pets.add(shots="[0, 1]")
    assert pets.record().ret == 0
    edit(pets.toml, "shots = [0, 1]", "shots = [0]")

    def prune(*arguments):
        before = cassettes(pets)
        capfd.readouterr()
        code = main(["cassettes", "prune", *arguments])
        out, err = capfd.readouterr()
        if code:
            assert (out, cassettes(pets)) == ("", before)
        return code, out, err

    pets.prune = prune
    return pets


def cassettes(pets):
    return {path: path.read_bytes() for path in pets.root.rglob("*shot.jsonl")}


def configure(pets, folder="tapes"):
    pets.pytester.makepyprojecttoml(f'[tool.tunebench]\ncassettes = "{folder}"\n')
    (pets.root / "cassettes").rename(pets.root / folder)


def refused(pets, other, *arguments):
    code, _, err = pets.prune(*(arguments or ("benchmarks/pets",)))
    assert code == 2
    assert "both have their cassettes in" in err
    assert f"{other}" in err
    assert err.endswith("so nothing was pruned; give their tasks different names.\n")
    assert len(err.splitlines()) == 1


def test_an_orphan_goes_where_nobody_else_uses_it(project):
    code, out, _ = project.prune()
    assert code == 0
    assert "m-1shot.jsonl: removed" in out
    assert [path.name for path in cassettes(project)] == ["m-0shot.jsonl"]


@pytest.mark.parametrize(
    ("folder", "toml"),
    [
        ("services/a/benchmarks/pets", "experiment.toml"),
        ("elsewhere", "experiment.toml"),
        ("benchmarks/pets", "other.toml"),
        ("elsewhere/deep/below", "pets-large.toml"),
        (".hidden", "experiment.TOML"),
    ],
)
def test_another_of_a_configured_folder_is_found_wherever_it_lies(project, folder, toml):
    configure(project)
    other = project.add(folder, shots="[0, 1]", toml=toml, test=None)
    refused(project, other.relative_to(project.root))


def test_another_of_a_folder_that_the_environment_names_is_found(project, monkeypatch):
    (project.root / "cassettes").rename(project.root / "tapes")
    monkeypatch.setenv("TUNEBENCH_CASSETTES", "tapes")
    other = project.add("elsewhere", shots="[0, 1]", test=None)
    refused(project, other.relative_to(project.root))


def test_another_file_beside_it_is_found_without_configuration(project):
    other = project.add(shots="[0, 1]", toml="large.toml", test=None)
    refused(project, other.relative_to(project.root))


def test_one_of_the_same_name_with_cassettes_of_its_own_does_not_matter(project):
    other = project.add("services/a/benchmarks/pets", shots="[0, 1]")
    assert project.record("services").ret == 0
    assert other.parent.parent.parent.joinpath("cassettes/pets/m-1shot.jsonl").exists()
    code, out, _ = project.prune("benchmarks/pets")
    assert code == 0
    assert out.count("removed") == 1
    assert len(cassettes(project)) == 3


def test_folders_that_are_one_by_a_link_are_shared(project):
    project.add("services/a/benchmarks/pets", shots="[0, 1]", test=None)
    (project.root / "services/a/cassettes").symlink_to(project.root / "cassettes")
    refused(project, "services/a/benchmarks/pets/experiment.toml")


def test_a_cassette_that_another_links_to_is_used(project):
    project.add("services/a/benchmarks/pets", shots="[0, 1]", test=None)
    folder = project.root / "services/a/cassettes/pets"
    folder.mkdir(parents=True)
    (folder / "m-1shot.jsonl").symlink_to(project.root / "cassettes/pets/m-1shot.jsonl")
    refused(project, "services/a/benchmarks/pets/experiment.toml")


def test_an_experiment_behind_a_link_is_found(project, tmp_path_factory):
    configure(project)
    outside = tmp_path_factory.mktemp("outside")
    other = project.add("elsewhere", shots="[0, 1]", test=None)
    other.rename(outside / "experiment.toml")
    other.parent.rmdir()
    other.parent.symlink_to(outside)
    refused(project, "elsewhere/experiment.toml")


def test_links_in_circles_end(project):
    for name, target in (("a", "b"), ("b", "a")):
        (project.root / name).mkdir()
        (project.root / name / "link").symlink_to(project.root / target)
    (project.root / "a/root").symlink_to(project.root)
    code, out, _ = project.prune()
    assert (code, out.count("removed")) == (0, 1)


def test_a_folder_within_the_folder_is_shared(project):
    """Orphans are looked for in `jobs`, too."""
    configure(project)
    edit(project.toml, 'name = "pets"', 'name = "jobs"')
    (project.root / "tapes/pets").rename(project.root / "tapes/jobs")
    (project.root / "inner").mkdir()
    (project.root / "inner/pyproject.toml").write_text(
        '[tool.tunebench]\ncassettes = "../tapes/jobs"\n'
    )
    other = project.add("inner/x", name="jobs", test=None)
    refused(project, other.relative_to(project.root))


@pytest.mark.parametrize("where", ["absolute", "link"])
def test_cassettes_outside_of_the_repository_may_be_anybodys(
    project, tmp_path_factory, monkeypatch, where
):
    outside = tmp_path_factory.mktemp("outside") / "tapes"
    (project.root / "cassettes").rename(outside)
    if where == "link":
        (project.root / "cassettes").symlink_to(outside)
    else:
        monkeypatch.setenv("TUNEBENCH_CASSETTES", str(outside))
    code, _, err = project.prune()
    assert code == 2
    assert "outside of its repository" in err
    assert (outside / "pets/m-1shot.jsonl").exists()


def test_without_a_repository_a_configured_folder_may_be_anybodys(project, monkeypatch):
    (project.root / ".git").rmdir()
    (project.root / "cassettes").rename(project.root / "tapes")
    monkeypatch.setenv("TUNEBENCH_CASSETTES", "tapes")
    code, _, err = project.prune()
    assert code == 2
    assert "outside of its repository" in err


def test_without_a_repository_the_folder_of_benchmarks_is_looked_through(project):
    (project.root / ".git").rmdir()
    other = project.add("benchmarks/deep/twin", shots="[0, 1]", toml="a.toml", test=None)
    refused(project, other.relative_to(project.root))


@pytest.mark.parametrize("name", ["experiment.toml", "large.toml"])
def test_a_file_that_is_no_toml_and_may_be_another_leaves_it_open(project, name):
    path = project.root / "benchmarks/other" / name
    path.parent.mkdir()
    path.write_text('[task]\nname = "pets"\n= broken')
    code, _, err = project.prune()
    assert code == 2
    assert f"{path}: this is not TOML" in err or f"other/{name}: this is not TOML" in err
    path.write_text('[task]\nname = "dogs"\n= broken')
    assert project.prune("benchmarks/pets")[0] == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is hidden from root")
def test_a_folder_that_cannot_be_read_leaves_it_open(project):
    hidden = project.root / "hidden"
    hidden.mkdir(mode=0)
    code, _, err = project.prune()
    hidden.chmod(0o700)
    assert code == 2
    assert "hidden: the folder cannot be read" in err


def test_both_of_two_that_are_named_are_refused(project):
    configure(project)
    other = project.add("elsewhere", shots="[0, 1]", test=None)
    code, _, err = project.prune("benchmarks", str(other))
    assert code == 2
    assert "both have their cassettes in" in err


def test_other_toml_files_do_not_matter(project):
    (project.root / "tools.toml").write_text('[task]\nname = ["pets"]\n')
    (project.root / "more.toml").write_text('task = "pets"\n')
    (project.root / "tasks.toml").write_text('[[task]]\nname = "pets"\n')
    (project.root / "gone.toml").symlink_to(project.root / "nowhere.toml")
    assert project.prune()[0] == 0
