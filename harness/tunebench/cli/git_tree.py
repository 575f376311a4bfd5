"""The files of a commit in a temporary folder, without touching the repository's working tree."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tunebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def root_of(folder: Path) -> Path:
    """The root of the Git repository that a folder is in, without symbolic links.

    Raises:
        UsageError: it is in none, or Git is not installed.
    """
    done = _git(folder, "rev-parse", "--show-toplevel")
    if done.returncode:
        raise UsageError(
            f"this is not in a Git repository ({_first_line(done)})",
            where=folder,
            hint="compare two folders of results instead, or run this in a clone",
        )
    return Path(done.stdout.rstrip("\n"))


def commit_of(root: Path, ref: str) -> str:
    """The id of the commit that a branch, a tag or another name means.

    Raises:
        UsageError: there is none.
    """
    # A leading dash would be an option of Git.
    known = not ref.startswith("-")
    done = _git(root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}") if known else None
    if done is None or done.returncode:
        raise UsageError(
            f"there is no commit {ref!r}",
            where=root,
            hint="name a branch, a tag or a commit, and fetch it first (in GitHub's checkout: "
            "fetch-depth: 0)",
        )
    return done.stdout.strip()


@contextmanager
def files_of(root: Path, commit: str) -> Iterator[Path]:
    """A folder with all files of a commit, as Git would check them out; it is removed at the end.

    Raises:
        UsageError: Git cannot check them out.
    """
    with tempfile.TemporaryDirectory(prefix="tunebench-") as name:
        folder = Path(os.path.realpath(name))
        tree = folder / "tree"
        # The settings of an experiment are looked for up to the root of its repository.
        (tree / ".git").mkdir(parents=True)
        # An index of its own: `git archive` would leave out what `export-ignore` names.
        index = {"GIT_INDEX_FILE": str(folder / "index")}
        for arguments in (["read-tree", commit],
                          ["checkout-index", "--all", "--quiet", f"--prefix={tree}/"]):  # fmt: skip
            done = _git(root, *arguments, environment=index)
            if done.returncode:
                raise UsageError(
                    f"the files of {commit[:10]} cannot be checked out ({_first_line(done)})",
                    where=root,
                )
        yield tree


def _git(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments],
            env={**os.environ, **(environment or {}), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
    except FileNotFoundError:
        raise UsageError("--base needs Git, which is not installed", hint="install it") from None


def _first_line(done: subprocess.CompletedProcess[str]) -> str:
    return next(iter(done.stderr.strip().splitlines()), f"Git ended with {done.returncode}")
