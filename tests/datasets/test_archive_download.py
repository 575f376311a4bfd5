from __future__ import annotations

import hashlib
import socket
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tunebench.datasets.download import Archive, fetch
from tunebench.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Web

BODY = b"an archive" * 300_000


def archive_at(url: str) -> Archive:
    return Archive(url=url, sha256=hashlib.sha256(BODY).hexdigest(), size=len(BODY))


@pytest.fixture
def archive(web: Web) -> Archive:
    return archive_at(web.put("/some/data.tar.gz", BODY))


def refusal(archive: Archive, folder: Path, **options: float) -> str:
    """The sentence with which an archive is refused, nothing of it being left."""
    with pytest.raises(DatasetError) as caught:
        fetch(archive, folder, **options)
    assert not list(folder.glob("*"))
    sentence = str(caught.value)
    assert archive.url in sentence
    assert f"put it at {folder / archive.name}" in sentence
    assert "\n" not in sentence
    return sentence


def test_an_archive_is_downloaded_once(web: Web, archive: Archive, tmp_path: Path) -> None:
    folder = tmp_path / "downloads" / "manual"
    for _ in range(2):
        assert fetch(archive, folder) == folder / "data.tar.gz"
    assert (folder / "data.tar.gz").read_bytes() == BODY
    assert [path.name for path in folder.iterdir()] == ["data.tar.gz"]
    assert web.asked == ["/some/data.tar.gz"]


def test_a_file_put_there_by_hand_needs_no_net(tmp_path: Path) -> None:
    (tmp_path / "data.tar.gz").write_bytes(BODY)
    assert fetch(archive_at("http://nowhere.invalid/data.tar.gz"), tmp_path).exists()


@pytest.mark.parametrize("damaged", [BODY[:-1], BODY[:-1] + b"?"])
def test_a_damaged_file_is_downloaded_again(
    damaged: bytes, archive: Archive, tmp_path: Path
) -> None:
    (tmp_path / "data.tar.gz").write_bytes(damaged)
    assert fetch(archive, tmp_path).read_bytes() == BODY


def test_a_host_without_an_address_is_looked_up_once(
    tmp_path: Path, web: Web, unreachable: list[str]
) -> None:
    sentence = refusal(archive_at("http://nowhere.invalid/data.tar.gz"), tmp_path)
    assert sentence.startswith("Cannot reach nowhere.invalid:80 to download ")
    assert unreachable == ["nowhere.invalid"]


def test_a_look_up_that_hangs_is_given_up(
    tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As where packets to the name server are dropped: the look-up itself hangs.
    given_up = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: given_up.wait(120) and [])
    sentence = refusal(archive_at("http://nowhere.invalid/data.tar.gz"), tmp_path, look=0.2)
    given_up.set()
    assert "(no answer in 0.2 s)" in sentence


def test_a_closed_port_is_reported(tmp_path: Path, web: Web) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    sentence = refusal(archive_at(f"http://127.0.0.1:{port}/data.tar.gz"), tmp_path)
    assert sentence.startswith(f"Cannot reach 127.0.0.1:{port} ")


def test_a_proxy_is_asked_where_the_environment_names_one(
    tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", web.url)
    url = "http://nowhere.invalid/data.tar.gz"
    web.pages[url] = (200, None, BODY)
    assert fetch(archive_at(url), tmp_path).read_bytes() == BODY
    monkeypatch.setenv("no_proxy", "nowhere.invalid")
    refusal(archive_at(url), tmp_path / "other")


def test_a_missing_file_is_reported(tmp_path: Path, web: Web) -> None:
    sentence = refusal(archive_at(web.url + "/gone.tar.gz"), tmp_path)
    assert "answers 404 Not Found in place of the archive" in sentence


def test_a_web_page_is_not_taken_for_an_archive(tmp_path: Path, web: Web) -> None:
    archive = archive_at(web.put("/data.tar.gz", b"\n<!DOCTYPE html><p>Please log in</p>"))
    assert "gave a web page in place of the archive" in refusal(archive, tmp_path)


@pytest.mark.parametrize("kept", [0, 2_000_000])
def test_a_connection_that_dies_half_way_is_reported(kept: int, tmp_path: Path, web: Web) -> None:
    archive = archive_at(web.put("/data.tar.gz", BODY[:kept], length=len(BODY)))
    assert f"broke off after {kept} bytes" in refusal(archive, tmp_path)


def test_a_download_that_falls_silent_is_given_up(tmp_path: Path, web: Web) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/data.tar.gz"
        sentence = refusal(archive_at(url), tmp_path, silence=0.2)
    assert "broke off after 0 bytes (timed out)" in sentence


def test_a_wrong_checksum_is_refused(tmp_path: Path, archive: Archive) -> None:
    sentence = refusal(replace(archive, sha256="0" * 64), tmp_path)
    assert "is not the archive expected" in sentence


@pytest.mark.parametrize("size", [10, len(BODY) - 1, len(BODY) + 1])
def test_a_wrong_size_is_refused(size: int, tmp_path: Path, archive: Archive) -> None:
    assert "is not the archive expected" in refusal(replace(archive, size=size), tmp_path)
