"""What a workflow has to install to run the version of tunebench that wrote it."""

from __future__ import annotations

import json
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from tunebench.cli.init.experiment_files import path_from
from tunebench.errors import UsageError

_OPTION = "--install-from"
_URL = re.compile(r"(?:[a-z]+\+)?(?:https?|ssh)://.+")
_UNQUOTABLE = re.compile(r"[\s'\"`$\\]")  # in a line of a shell within YAML


def requirement(given: str | None, root: Path) -> str | None:
    """What `pip install` needs; None if it is not known.

    Args:
        given: the URL or path of ``--install-from``.
        root: the folder in which the workflow runs.

    Raises:
        UsageError: it is neither, or would not be there when the workflow runs.
    """
    if given is None:
        return _installed()
    found = given if _URL.fullmatch(given) else _path(Path(given), root)
    if _UNQUOTABLE.search(found):
        raise UsageError(
            f"{_OPTION} {given!r} has a character that a workflow cannot hold (a space, a quote, "
            "'$' or '\\')",
            hint="give another URL or path",
        )
    return found


def _path(path: Path, root: Path) -> str:
    if not path.exists():
        raise UsageError(
            f"{_OPTION} {str(path)!r} is neither a URL nor a file or folder",
            hint="fix it, or write a URL as https://… or git+https://…",
        )
    relative = path_from(root.absolute(), path.absolute())
    if ".." in relative.split("/") or Path(relative).is_absolute():
        raise UsageError(
            f"{_OPTION} {str(path)!r} is outside of {root.absolute()}, which a workflow checks out",
            hint="give a URL, or a file in there",
        )
    return f"./{relative}"


def _installed() -> str | None:
    """This version as it was installed; None where others cannot install it in the same way.

    Installers note a URL or path that they were given in ``direct_url.json`` (PEP 610), and nothing
    for a version that an index has.
    """
    try:
        found = distribution("tunebench")
        noted = found.read_text("direct_url.json")
        if noted is None:
            return f"tunebench=={found.version}"
        origin = json.loads(noted)
        url = origin["url"]
        if vcs := origin.get("vcs_info"):
            url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    except (PackageNotFoundError, ValueError, KeyError, TypeError):
        return None
    return url if _URL.fullmatch(url) and not _UNQUOTABLE.search(url) else None
