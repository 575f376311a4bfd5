import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow_datasets as tfds

import tunebench
from tunebench.datasets import Options, flat, imdb, is_here, load, prepared
from tunebench.errors import DatasetError

FOLDER = "small_reviews/1.0.0"


class SmallReviews(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")
    pkg_dir_path = Path(__file__).parent
    source: Path

    def _info(self) -> Any:
        features = {"item": tfds.features.Text(), "text": tfds.features.Text()}
        features["label"] = tfds.features.ClassLabel(names=["neg", "pos"])
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, _dl_manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(split) for split in ("train", "heldout")}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        for i in range(200):
            text = os.urandom(100).hex()  # nothing that could be compressed
            yield i, {"item": f"{split}/{i}", "text": text, "label": i % 2}


def recipe(source: Callable[[Path], Path] = lambda root: root / "source") -> prepared.Recipe:
    return prepared.Recipe(
        folder=FOLDER,
        splits=("train", "heldout"),
        builder=lambda root: SmallReviews(data_dir=root),
        source=source,
    )


@pytest.fixture
def data_dir(shared_folder: Callable[..., Path], tmp_path: Path) -> Path:
    """A prepared data folder of the test's own."""
    made = shared_folder("small-reviews", lambda folder: prepared.load(recipe(), folder))
    return Path(shutil.copytree(made, tmp_path / "data"))


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
    assert sorted(path.name for path in (name / "1.0.0").iterdir()) == [".lock", "flat.json"]
    assert flat.read(name / "1.0.0" / "flat.json") is not None


def test_the_environment_names_the_data_folder(
    prepared_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared_dir))
    assert len(imdb.load().train) == 2000


def test_a_damaged_flat_copy_is_made_again_from_the_records(data_dir: Path) -> None:
    copy = data_dir / FOLDER / "flat.json"
    good = copy.read_bytes()
    copy.write_bytes(good[:-1000])
    prepared.load(recipe(lambda _: pytest.fail("the source was needed")), data_dir)
    assert copy.read_bytes() == good


def cut(folder: Path) -> None:
    path = next(folder.glob("*train.array_record*"))
    os.truncate(path, path.stat().st_size // 2)


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


@pytest.mark.parametrize("damage", [cut, overwrite, remove_records, tear_info, remove_info])
def test_a_damaged_folder_is_prepared_again(damage: Callable[[Path], None], data_dir: Path) -> None:
    before = flat.read(data_dir / FOLDER / "flat.json")
    (data_dir / FOLDER / "flat.json").unlink()
    damage(data_dir / FOLDER)
    made = prepared.load(recipe(), data_dir)
    assert before is not None
    for split, columns in made.items():
        assert columns["item"] == before[split]["item"]
        assert columns["text"] != before[split]["text"]  # as its texts are new each time


def test_what_a_killed_preparation_left_is_cleared_away(data_dir: Path) -> None:
    left = data_dir / "small_reviews" / "incomplete.ABCDEF_1.0.0"
    shutil.move(data_dir / FOLDER, left)
    prepared.load(recipe(), data_dir)
    assert not left.exists()


def test_preparing_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    prepared.load(recipe(), tmp_path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["tfds:imdb_reviews", "tfds:ag_news_subset"])
def test_without_tfds_the_extra_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(DatasetError, match=r"pip install 'tunebench\[tfds\]'"):
        load(name, data_dir=tmp_path)


def test_without_tfds_its_records_are_not_here_and_a_copy_of_them_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tunebench_imdb_canonical/plain_text/1.0.0"
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").touch()
    assert is_here("tfds:imdb_reviews", Options(), data_dir=tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert not is_here("tfds:imdb_reviews", Options(), data_dir=tmp_path)
    (folder / "flat.json").touch()
    assert is_here("tfds:imdb_reviews", Options(), data_dir=tmp_path)


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
