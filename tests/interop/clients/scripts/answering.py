"""Calls a client's functions, one for each feature, and prints what each returns as JSON."""

import importlib.metadata
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ASKED: dict[str, Any] = json.loads(Path(__file__).with_name("asked.json").read_text())


def answer(package: str, functions: Mapping[str, Callable[[], Any]]) -> None:
    """Print the package's version, then a line for each feature named on the command line."""
    out, sys.stdout = sys.stdout, sys.stderr  # clients print, too
    print(json.dumps({"version": importlib.metadata.version(package)}), file=out, flush=True)
    for feature in sys.argv[1:]:
        try:
            said = {"feature": feature, "value": functions[feature]()}
        except Exception:
            said = {"feature": feature, "error": traceback.format_exc()}
        print(json.dumps(said), file=out, flush=True)
