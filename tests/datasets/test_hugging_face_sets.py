"""``hf:NAME``: sets of Hugging Face, by folders that are made on the spot."""

import json
from pathlib import Path
from typing import Any

import pytest

from tunebench.datasets import Options, load
from tunebench.errors import DatasetError

QUEUES = ("login", "billing")


@pytest.fixture(scope="module")
def hugging_face(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The library, with a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf")))
        return pytest.importorskip("datasets")


@pytest.fixture
def folder(tmp_path: Path, hugging_face: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two files, sorted by label."""
    monkeypatch.setattr(hugging_face.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "tickets"
    folder.mkdir()
    for split in ("train", "test"):
        rows = [
            {"text": f"{split} ticket {i}", "id": i, "queue": QUEUES[i // 20]} for i in range(40)
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{split}.jsonl").write_text(lines)
    return folder


def test_a_folder_is_read_relative_to_the_experiment(folder: Path) -> None:
    options = Options(folder.parent, QUEUES[::-1], label_column="queue")
    data = load("hf:./tickets", options)
    assert data.label_names == QUEUES[::-1]
    for split, frame in (("train", data.train), ("test", data.test)):
        rows = dict(zip(frame["text"], frame["label"], strict=True))
        assert rows == {f"{split} ticket {i}": int(i < 20) for i in range(40)}


def test_a_sorted_set_is_put_in_an_order_by_chance(folder: Path) -> None:
    data = load(f"hf:{folder}", Options(labels=QUEUES, label_column="queue"))
    assert set(data.test["label"].head(10)) == {0, 1}
    again = load(f"hf:{folder}", Options(labels=QUEUES, label_column="queue"))
    assert again.test.equals(data.test)
    other = load(f"hf:{folder}", Options(labels=QUEUES, label_column="queue", seed=1))
    assert not other.test.equals(data.test)


def test_class_labels_follow_their_names(folder: Path, hugging_face: Any) -> None:
    names = hugging_face.ClassLabel(names=list(QUEUES))
    rows = {"text": [f"ticket {i}" for i in range(40)], "label": [i % 2 for i in range(40)]}
    features = hugging_face.Features({"text": hugging_face.Value("string"), "label": names})
    split = hugging_face.Dataset.from_dict(rows, features=features)
    path = folder.parent / "numbered"
    hugging_face.DatasetDict({"train": split}).save_to_disk(path)
    data = load(f"hf:{path}", Options(labels=QUEUES[::-1]))
    for frame in (data.train, data.test):
        rows = dict(zip(frame["text"], frame["label"], strict=True))
        assert all(label == 1 - int(text.split()[1]) % 2 for text, label in rows.items())
    assert len(data.train) + len(data.test) == 40


def test_unknown_folders_features_and_labels_are_errors(folder: Path) -> None:
    for name, options, sentence in (
        ("hf:./nothing", {}, "'hf:./nothing': there is no folder "),
        ("hf:./tickets", {}, "'hf:./tickets' has no feature 'label' but 'text', 'id', 'queue'; set "
         "label_column to one of them in [task]."),
        ("hf:./tickets", {"label_column": "queue", "labels": ("a", "b")}, "'hf:./tickets': the "
         "label 'billing' is not among the labels of [task]; add it there."),
    ):  # fmt: skip
        with pytest.raises(DatasetError) as raised:
            load(name, Options(**{"folder": folder.parent, "labels": QUEUES, **options}))
        assert str(raised.value).startswith(sentence)
    (folder / "train.jsonl").write_text("no json")
    with pytest.raises(DatasetError, match=r"'hf:\./tickets' cannot be read"):
        load("hf:./tickets", Options(folder.parent, QUEUES, label_column="queue"))


def test_offline_its_host_is_tried_once(
    hugging_face: Any, tmp_path: Path, unreachable: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hugging_face.config, "HF_ENDPOINT", "https://nowhere.invalid")
    with pytest.raises(DatasetError, match=r"Cannot reach .*write hf:/that/folder"):
        load("hf:someone/tickets", Options(labels=QUEUES), data_dir=tmp_path)
    assert unreachable == ["nowhere.invalid"]


def test_without_the_library_the_error_names_the_extra(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(DatasetError, match=r"pip install 'tunebench\[hf\]'"):
        load("hf:someone/tickets", Options(labels=QUEUES), data_dir=tmp_path)
