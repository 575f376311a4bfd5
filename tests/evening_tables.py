"""Tables as people have them, of the same evenings: how each is written, and what it holds."""

import csv
import json
from pathlib import Path

import pytest

MOODS = {f"a {('dull', 'fine')[i % 2]} evening, {i}": ("bad", "good")[i % 2] for i in range(90)}


def write_csv(path: Path) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("body", "mood"), *MOODS.items()])


def write_chats(path: Path) -> None:
    lines = []
    for text, mood in MOODS.items():
        said = {"system": "Say bad or good.", "user": text, "assistant": mood}
        messages = [{"role": role, "content": content} for role, content in said.items()]
        lines.append(json.dumps({"messages": messages}) + "\n")
    path.write_text("".join(lines))


def write_pairs(path: Path) -> None:
    rows = ({"prompt": f"{text} ->", "completion": f" {mood}"} for text, mood in MOODS.items())
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_messy(path: Path) -> None:
    """As a spreadsheet program saves it: a mark, a line of its own, quotes, one very long cell."""
    rows = [(f'{text};\n"so to say"', mood) for text, mood in MOODS.items()]
    rows[40] = (rows[40][0] + " and on" * 5714, rows[40][1])
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        file.write("sep=;\r\n")
        csv.writer(file, delimiter=";").writerows([("Body", "Mood"), *rows])


def write_flags(path: Path) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    flags = [mood == "good" for mood in MOODS.values()]
    pd.DataFrame({"body": list(MOODS), "good": flags}).to_parquet(path)


# By file name: how it is written, and the columns that its user names.
TABLES = {
    "evenings.csv": (write_csv, ("body", "mood")),
    "evenings-chats.jsonl": (write_chats, None),
    "evenings-pairs.jsonl": (write_pairs, None),
    "evenings-messy.csv": (write_messy, ("Body", "Mood")),
    "evenings.parquet": (write_flags, ("body", "good")),
}
