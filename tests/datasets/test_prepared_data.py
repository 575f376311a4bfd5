import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tunebench
from tunebench.datasets import flat, imdb, prepared
from tunebench.errors import DatasetError

FOLDER = "tunebench_imdb/1.0.0"


@pytest.fixture
def data_dir(prepared_dir: Path, tmp_path: Path) -> Path:
    """A prepared data folder of the test's own."""
    return Path(shutil.copytree(prepared_dir, tmp_path / "data"))


def test_processes_that_start_at_once_in_a_clean_home_all_get_the_data(tmp_path: Path) -> None:
    code = (
        "from tunebench.datasets import load; data = load('imdb_reviews'); "
        "print(len(data.train), len(data.test))"
    )
    environment = {**os.environ, "HOME": str(tmp_path)}
    environment.pop("TFDS_DATA_DIR", None)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=Path(tunebench.__file__).parents[1],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    assert [process.communicate(timeout=60) for process in processes] == [("2000 1000\n", "")] * 3
    name = tmp_path / "tensorflow_datasets" / "tunebench_imdb"
    assert sorted(path.name for path in name.iterdir()) == [".lock", "1.0.0"]
    assert flat.read(name / "1.0.0" / "flat.json") is not None


def test_the_environment_names_the_data_folder(
    prepared_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared_dir))
    assert len(imdb.load().train) == 2000


def test_a_damaged_flat_copy_is_made_again_from_the_records(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = data_dir / FOLDER / "flat.json"
    good = copy.read_bytes()
    copy.write_bytes(good[:-1000])
    monkeypatch.setattr(imdb, "find_csv", lambda _: pytest.fail("the source was needed"))
    imdb.load(data_dir=data_dir)
    assert copy.read_bytes() == good


def cut(folder: Path) -> None:
    os.truncate(next(folder.glob("*train.array_record*")), 1000)


def overwrite(folder: Path) -> None:
    path = next(folder.glob("*heldout.array_record*"))
    content = bytearray(path.read_bytes())
    content[5000:5020] = bytes(20)
    path.write_bytes(content)


def remove_records(folder: Path) -> None:
    next(folder.glob("*train.array_record*")).unlink()


def tear_info(folder: Path) -> None:
    (folder / "dataset_info.json").write_text("{")


def remove_info(folder: Path) -> None:
    (folder / "dataset_info.json").unlink()


def exchange_splits(folder: Path) -> None:
    shutil.copy(
        next(folder.glob("*heldout.array_record*")), next(folder.glob("*train.array_record*"))
    )


@pytest.mark.parametrize(
    "damage", [cut, overwrite, remove_records, tear_info, remove_info, exchange_splits]
)
def test_a_damaged_folder_is_prepared_again(damage: Callable[[Path], None], data_dir: Path) -> None:
    copy = data_dir / FOLDER / "flat.json"
    good = copy.read_bytes()
    copy.unlink()
    damage(data_dir / FOLDER)
    imdb.load(data_dir=data_dir)
    assert copy.read_bytes() == good


def test_what_a_killed_preparation_left_is_cleared_away(data_dir: Path) -> None:
    left = data_dir / "tunebench_imdb" / "incomplete.ABCDEF_1.0.0"
    shutil.move(data_dir / FOLDER, left)
    imdb.load(data_dir=data_dir)
    assert not left.exists()


def test_preparing_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    imdb.load(data_dir=tmp_path)
    assert capfd.readouterr() == ("", "")


def test_a_folder_that_cannot_be_written_in_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        DatasetError, match=r"Cannot prepare data in .*/file/tunebench_imdb/.*TFDS_"
    ):
        imdb.load(data_dir=tmp_path / "file")


def test_a_data_folder_in_a_cloud_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", "gs://bucket/data")
    with pytest.raises(DatasetError, match="gs://bucket/data is not on this machine"):
        imdb.load()


class Failing:
    def download_and_prepare(self, **_: Any) -> None:
        raise RuntimeError("the first line\nand the second")


def test_a_failure_of_tfds_is_an_error_in_one_line(tmp_path: Path) -> None:
    recipe = prepared.Recipe(
        folder="failing/1.0.0",
        splits=("train",),
        builder=lambda _: Failing(),
        source=lambda root: root / "source",
    )
    with pytest.raises(DatasetError, match=r"\(RuntimeError: the first line and the second\); c"):
        prepared.load(recipe, tmp_path)


def test_reviews_other_than_the_known_ones_are_refused(tmp_path: Path) -> None:
    recipe = prepared.Recipe(
        folder=imdb.RECIPE.folder,
        splits=imdb.RECIPE.splits,
        builder=imdb.RECIPE.builder,
        source=imdb.RECIPE.source,
        sha256={"train": "0" * 64},
    )
    with pytest.raises(DatasetError, match="reads back otherwise"):
        prepared.load(recipe, tmp_path)
    assert not (tmp_path / FOLDER).exists()
