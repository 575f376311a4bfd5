"""From a wheel and a file of one's own to a benchmark that replays: the real model, no leftovers.

One environment serves all walks; each has a home folder of its own, so that weights, servers and
their files come from nothing. `-rP` shows what each command cost.
"""

import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ..evening_tables import MOODS, TABLES

pytestmark = pytest.mark.walk

_KEPT = ("PATH", "LANG", "TMPDIR")


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Walk:
    """A new user's shell: an environment's programs first on its path, and an empty home."""

    def __init__(self, root: Path, programs: Path) -> None:
        self.root, self.programs = root, programs
        self.home = root / "home"
        self.folder = root / "work"
        self.home.mkdir(parents=True)
        self.folder.mkdir()
        self.spent: list[tuple[str, float]] = []

    def run(self, *command: str | Path, timeout: float = 1500) -> str:
        """A command's output; it must succeed."""
        own = {name: value for name, value in os.environ.items() if name in _KEPT}
        # Where packages come from is the machine's business, and no leftover of a user.
        own |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        own |= {"HOME": str(self.home), "PATH": f"{self.programs}{os.pathsep}{own['PATH']}"}
        before = cpu_seconds()
        done = subprocess.run(
            list(map(str, command)), cwd=self.folder, env=own, capture_output=True, text=True,
            timeout=timeout,
        )  # fmt: skip
        name = " ".join([Path(command[0]).name, *map(str, command[1:3])])
        self.spent.append((name, cpu_seconds() - before))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The programs of an environment with the wheel and its extras; nothing is compiled."""
    root = tmp_path_factory.mktemp("environment")
    # A copy: a build leaves a folder behind.
    source = root / "source"
    ignored = shutil.ignore_patterns(".git", "__pycache__", "build", "*.egg-info")
    shutil.copytree(request.config.rootpath, source, ignore=ignored)
    walk = Walk(root, Path(sys.executable).parent)
    walk.run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", root, source)
    (wheel,) = root.glob("tunebench-*.whl")
    walk.run(sys.executable, "-m", "venv", root / "venv")
    pip = root / "venv" / "bin" / "pip"
    # The pinned release first: a bare torch would bring a CUDA build of several gigabytes.
    walk.run(pip, "install", "-q", "torch==2.13.0")
    walk.run(pip, "install", "-q", "--only-binary=:all:", f"{wheel}[local,parquet]")
    return pip.parent


@pytest.mark.parametrize("table", TABLES)
def test_five_commands_lead_to_a_recorded_gated_benchmark(
    tmp_path: Path, programs: Path, table: str
) -> None:
    walk = Walk(tmp_path, programs)
    TABLES[table][0](walk.folder / table)
    columns = TABLES[table][1]
    named = () if columns is None else ("--text", columns[0], "--label", columns[1])
    made = json.loads(walk.run("tunebench", "init", table, *named, "--json"))
    toml = walk.folder / "benchmarks" / made["name"] / "experiment.toml"
    edit_port(toml)
    notes = "\n".join(made["notes"])
    if "messy" in table:  # the one edit that init asks for
        (most,) = set(re.findall(r"max_chars = (\d+)", notes))
        toml.write_text(toml.read_text().replace("[task]\n", f"[task]\nmax_chars = {most}\n", 1))
    assert len(made["next"]) <= 3  # after pip and init
    for line in made["next"]:
        out = walk.run(*line.split())
    assert re.search(r"\b\d+ passed", out), out
    assert sum(made["labels"].values()) == len(MOODS)
    assert (toml.parent / "baseline.json").exists()
    for command, seconds in walk.spent:
        print(f"{seconds:7.1f} s of CPU time: {command}")
    print(f"{sum(seconds for _, seconds in walk.spent):7.1f} s in all")


def edit_port(toml: Path) -> None:
    """Another port than the usual one, on which somebody's provider may run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = toml.read_text()
    toml.write_text(text.replace(":8017/", f":{port}/"))
