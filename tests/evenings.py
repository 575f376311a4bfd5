"""A table of evenings in the current folder, and ``tunebench init`` on it."""

import csv
from pathlib import Path

from tunebench.cli import main


def write_table(rows=200, labels=("bad", "good"), name="evenings.csv"):
    """Write a table of so many texts, whose labels follow each other in turn; its name."""
    with Path(name).open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["body", "mood"])
        for i in range(rows):
            out.writerow([f"an evening, {i}", labels[i % len(labels)]])
    return name


def init(*arguments):
    """The exit code of the command with such arguments."""
    return main(["init", *map(str, arguments), "--text", "body", "--label", "mood"])


def tree():
    """All files of the current folder."""
    return sorted(path.as_posix() for path in Path().rglob("*") if path.is_file())
