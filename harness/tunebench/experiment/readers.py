"""Modules that read an experiment while they were imported.

A second pytest run in the same process must import them again, because the file may have changed.
"""

from __future__ import annotations

import sys

readers: set[str] = set()


def note_readers() -> None:
    """Note the modules that are being imported, from the caller up to pytest's own frames."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        name = str(frame.f_globals.get("__name__"))
        if name.startswith(("_pytest.", "pluggy.")):
            return
        if frame.f_code.co_name == "<module>" and name != "__main__":
            readers.add(name)
