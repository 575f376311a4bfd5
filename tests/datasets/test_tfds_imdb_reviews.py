from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunebench.datasets import load, tfds_imdb
from tunebench.datasets.download import Archive
from tunebench.errors import DatasetError

if TYPE_CHECKING:
    from conftest import Web

TEXTS = [
    "",
    "Fine 🙂",
    "two\nlines\r\n and  more",
    "br<br />#####\n ->",
    'quo"ted',
    "\u00a0dear\u00a0",
]


def packed(files: dict[str, str]) -> bytes:
    """An archive of the original's layout, the files in the order given."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for folder in ("aclImdb", "aclImdb/train"):
            info = tarfile.TarInfo(folder)
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
        for name, text in files.items():
            content = text.encode()
            info = tarfile.TarInfo(f"aclImdb/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def known(body: bytes, url: str = "http://nowhere.invalid/small.tar.gz") -> Archive:
    return Archive(url=url, sha256=hashlib.sha256(body).hexdigest(), size=len(body))


FILES = {
    f"{split}/{label}/{number}_{number % 10}.txt": text
    for split in ("test", "train")
    for label in ("neg", "pos")
    for number, text in enumerate(TEXTS)
}
OTHERS = {
    "README": "about",
    "imdbEr.txt": "0.1",
    "test/labeledBow.feat": "9 0:1",
    "train/unsup/0_0.txt": "no label",
    "train/urls_pos.txt": "http://example.org",
}


@pytest.fixture
def small(web: Web) -> Archive:
    body = packed({**OTHERS, **FILES})
    return known(body, web.put("/small.tar.gz", body))


def test_the_reviews_come_in_the_order_of_tfds(small: Archive, tmp_path: Path) -> None:
    data = tfds_imdb.load(data_dir=tmp_path, archive=small)
    assert (data.name, data.label_names) == ("tfds:imdb_reviews", ("neg", "pos"))
    for split, frame in (("train", data.train), ("test", data.test)):
        names = sorted(
            (name for name in FILES if name.startswith(split)),
            key=lambda name: hashlib.md5(f"{split}aclImdb/{name}".encode()).hexdigest(),
        )
        assert frame["item"].tolist() == [f"{split}/{n:05d}" for n in range(len(names))]
        assert frame["text"].tolist() == [FILES[name] for name in names]
        assert frame["label"].tolist() == [int("/pos/" in name) for name in names]


def test_it_is_prepared_once(small: Archive, web: Web, tmp_path: Path) -> None:
    first = tfds_imdb.load(data_dir=tmp_path, archive=small)
    (tmp_path / "downloads" / "manual" / "small.tar.gz").unlink()
    again = load("tfds:imdb_reviews", data_dir=tmp_path)
    assert again.train.equals(first.train)
    assert again.test.equals(first.test)
    assert len(web.asked) == 1


def test_a_wrong_checksum_leaves_nothing_behind(small: Archive, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is not the archive expected"):
        tfds_imdb.load(data_dir=tmp_path, archive=replace(small, sha256="0" * 64))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [".lock"]
    assert len(tfds_imdb.load(data_dir=tmp_path, archive=small).train) == 12


@pytest.mark.parametrize("body", [b"no archive", packed({"train/pos/0_9.txt": "no test half"})])
def test_an_archive_without_the_reviews_is_refused(body: bytes, tmp_path: Path, web: Web) -> None:
    archive = known(body, web.put("/small.tar.gz", body))
    with pytest.raises(DatasetError, match=r"TFDS could not prepare .*/small\.tar\.gz in "):
        tfds_imdb.load(data_dir=tmp_path, archive=archive)
    assert not [path for path in tmp_path.rglob("*") if "1.0.0" in path.name]


def test_offline_its_host_is_tried_once(tmp_path: Path, web: Web, unreachable: list[str]) -> None:
    with pytest.raises(DatasetError, match=r"Cannot reach ai\.stanford\.edu:80 .*put it at"):
        load("tfds:imdb_reviews", data_dir=tmp_path)
    assert unreachable == ["ai.stanford.edu"]


def test_the_archive_is_the_one_that_tfds_knows() -> None:
    assert tfds_imdb.official_archive() == Archive(
        url="http://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
        sha256="c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
        size=84_125_825,
    )


@settings(max_examples=10)
@given(texts=st.lists(st.text(), min_size=1, max_size=20))
def test_any_text_comes_out_of_the_records_as_it_went_in(texts: list[str]) -> None:
    files = {
        f"{split}/pos/{n}_7.txt": t for split in ("train", "test") for n, t in enumerate(texts)
    }
    body = packed(files)
    with tempfile.TemporaryDirectory() as folder:
        manual = Path(folder, "downloads", "manual")
        manual.mkdir(parents=True)
        (manual / "small.tar.gz").write_bytes(body)
        data = tfds_imdb.load(data_dir=folder, archive=known(body))
    # TFDS strips a review's bytes of white space at both ends, of ASCII's only.
    assert sorted(data.train["text"]) == sorted(text.encode().strip().decode() for text in texts)
