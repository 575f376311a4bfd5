"""The rooms of the package and their floors, drawn from `.importlinter` and the rooms' docstrings.

``python docs/house.py`` puts the picture into CONTRIBUTING.md again.
"""

from __future__ import annotations

import ast
import configparser
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_WIDTH = 92
_PICTURE = re.compile(r"(?<=<!-- house -->\n```text\n).*?(?=```\n)", re.DOTALL)


def floors() -> list[list[str]]:
    """The rooms of every floor, from the top down."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter", encoding="utf-8")
    layers = contracts["importlinter:contract:floors"]["layers"].split("\n")
    return [re.split(r"\s*[|:]\s*", layer) for layer in layers if layer]


def picture() -> str:
    """Draw the house: a floor under the other, a line for each room."""
    rooms = floors()
    width = max(len(room) for floor in rooms for room in floor)
    lines = []
    for number, floor in zip(range(len(rooms), 0, -1), rooms, strict=True):
        for place, room in enumerate(floor):
            label = str(number) if place == 0 else " "
            lines.append(f"{label}  {room:{width}}  {purpose(room)}")
        lines.append("-" * _WIDTH)
    return "\n".join(lines[:-1]) + "\n"


def purpose(room: str) -> str:
    """The first sentence of a room's docstring."""
    source = ROOT / "harness" / "tunebench" / room
    path = source / "__init__.py" if source.is_dir() else source.with_suffix(".py")
    told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return re.split(r"(?<=\.)\s", told)[0].replace("``", "`")


def with_picture(text: str) -> str:
    """A page with the current picture in the place of its own."""
    return _PICTURE.sub(lambda _: picture(), text)


if __name__ == "__main__":
    page = ROOT / "CONTRIBUTING.md"
    page.write_text(with_picture(page.read_text(encoding="utf-8")), encoding="utf-8")
