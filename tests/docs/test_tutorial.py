"""The tutorial, run as it is written: its files, its commands, and what they print.

A command whose output the page does not show is run all the same. Every command has to succeed,
unless the page asks with ``echo $?`` what it ended with.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from ..weights import need_weights
from .pages import DOCS, blocks, matches

pytest.importorskip("torch", reason="the extra local is not installed")

SCRIPTS = Path(sys.executable).parent
if not shutil.which("tunebench", path=SCRIPTS):
    pytest.skip("tunebench is not installed beside this Python", allow_module_level=True)


def steps(text):
    """Commands with the output shown below each, from a block of ``$ command`` lines."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)
    assert not parts[0].strip(), f"output without a command: {parts[0]!r}"
    for part in parts[1:]:
        lines = part.splitlines()
        command = [lines.pop(0)]
        while lines and lines[0].startswith(">"):  # as the shell asks for the rest
            command.append(lines.pop(0).removeprefix(">").removeprefix(" "))
        yield "\n".join(command), "\n".join(lines).strip("\n")


class Reader:
    """Does what the page says, in a fresh folder."""

    def __init__(self, folder, data):
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        others = {found.name for found in entry_points(group="pytest11")} - {"tunebench"}
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("TUNEBENCH_")},
            "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
            "TUNEBENCH_DATA_DIR": str(data),
            # Threads that wait for each other are very slow where other things run beside.
            "OMP_NUM_THREADS": "1",
            # Plugins of other distributions, which may be here, take seconds.
            "PYTEST_ADDOPTS": " ".join(f"-p no:{name}" for name in sorted(others)),
            "COLUMNS": "80",
            "NO_COLOR": "1",
        }
        unset = (
            "GITHUB_STEP_SUMMARY",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD",
            "PYTEST_CURRENT_TEST",
            "CI",
        )
        for name in unset:
            self.environment.pop(name, None)
        self.code = 0

    def run(self, command, shown, *, checked):
        before = self.code
        done = subprocess.run(
            ["bash", "-c", f"(exit {before}); {command}"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.code = done.returncode
        self.move_server()
        if checked:
            assert done.returncode == 0, f"$ {command}\n{done.stdout}"
        if shown:
            assert matches(shown, done.stdout), f"$ {command}\n{done.stdout}\n--- shown:\n{shown}"

    def move_server(self):
        """Give the experiment another port: a server of somebody else may hold the usual one."""
        for path in self.folder.glob("benchmarks/*/experiment.toml"):
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace(":8017/", f":{self.port}/"), encoding="utf-8")


def test_the_tutorial_does_what_it_says(tmp_path):
    need_weights("smollm2-135m")  # with the line of a download, the output would be another
    folder, data = tmp_path / "tickets", tmp_path / "data"
    folder.mkdir()
    reader = Reader(folder, data)
    ran = 0
    for block in blocks(DOCS / "tutorial.md"):
        if block.caption:
            path = folder / block.caption
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            found = list(steps(block.text))
            asked = [command == "echo $?" for command, _ in found[1:]] + [False]
            for (command, shown), code_is_asked in zip(found, asked, strict=True):
                reader.run(command, shown, checked=not code_is_asked)
                ran += 1
    assert ran > 5


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("one\n...\nfour", "one\ntwo\nthree\nfour\n", True),
        ("one\n...\nfour", "one\nfour\n", True),
        ("one\n...\nfour", "one\ntwo\n", False),
        ("in ... seconds", "in 12.5 seconds\n", True),
        ("in ... seconds", "in 12.5\n seconds\n", False),
        ("3 passed", "13 passed\n", False),
        ("accuracy 0.5", "accuracy 0x5\n", False),
    ],
)
def test_dots_stand_for_what_varies_and_for_nothing_else(shown, printed, same):
    assert matches(shown, printed) is same
