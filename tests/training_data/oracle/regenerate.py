"""Make the input files and let the old command prepare them.

Run it with the oracle's own Python (`pip install openai==2.34.0 pandas` in a venv of its own)::

    TUNEBENCH_ORACLE_PYTHON=…/bin/python python tests/training_data/oracle/regenerate.py

The inputs hold made-up words only. None of them meets a fault of the old command.
"""

import csv
import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

OUTPUTS = Path(__file__).parent / "outputs"
LARGEST_KEPT = 20_000  # bytes
WORDS = ["bank", "calm", "dune", "echo", "fern", "gulf", "hush", "iris", "jolt", "kelp", "moss"]


def texts(n: int, seed: int, words: int = 4) -> list[str]:
    """n different texts that begin and end differently."""
    draw = random.Random(seed)
    made = (" ".join(draw.choices(WORDS, k=words)) for _ in range(n))
    return [f"{chr(97 + i % 26)}{text} {i}" for i, text in enumerate(made)]


def labels(n: int, seed: int, names: tuple[str, ...] = ("good", "bad")) -> list[str]:
    return random.Random(seed).choices(names, k=n)


def jsonl(rows: list[tuple[str, str | None]]) -> str:
    return "".join(
        json.dumps({"prompt": p, "completion": c}, ensure_ascii=False) + "\n" for p, c in rows
    )


def table(rows: list[tuple[str, ...]], header: tuple[str, ...], delimiter: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows([header, *rows])
    return out.getvalue()


def inputs() -> dict[str, str]:
    """The files by name."""
    t, c = texts(60, 1), labels(60, 2)
    pairs = list(zip(t, c, strict=True))
    long = "moss " * 2001
    return {
        "plain.jsonl": jsonl(pairs),
        "prepared.jsonl": jsonl([(f"{p} ->", f" {q}") for p, q in pairs]),
        "other_separator.jsonl": jsonl([(f"{p}\n\n###\n\n", q) for p, q in pairs]),
        "line_breaks.jsonl": jsonl([(p.replace(" ", "\n", 1), q) for p, q in pairs]),
        "arrow_inside.jsonl": jsonl([(p.replace(" ", " -> ", 1), q) for p, q in pairs]),
        "hashes_inside.jsonl": jsonl([(f"{p[:5]}\n\n###\n\n{p[5:]}", q) for p, q in pairs]),
        "duplicates.jsonl": jsonl(pairs + pairs[7:20]),
        "long.jsonl": jsonl([*pairs[:20], (long, "good"), *pairs[20:], (f"x{long}", "bad")]),
        "prompt_prefix.jsonl": jsonl([(f"Say how this is meant: {p}", q) for p, q in pairs]),
        "short_prefix.jsonl": jsonl([(f"Text: {p}", q) for p, q in pairs]),
        "completion_prefix.jsonl": jsonl([(p, f"label: {q}") for p, q in pairs]),
        "upper.jsonl": jsonl([(p.upper(), q.upper()) for p, q in pairs]),
        "upper_completions.jsonl": jsonl([(p, q.upper()) for p, q in pairs]),
        "some_spaces.jsonl": jsonl([(p, f" {q}" if q == "bad" else q) for p, q in pairs]),
        "empty.jsonl": jsonl([*pairs[:9], ("lone", ""), *pairs[9:], ("lone too", None)]),
        "three_classes.jsonl": jsonl(
            list(zip(t, labels(60, 3, ("alpha", "beta", "gamma")), strict=True))
        ),
        "characters.jsonl": jsonl(
            [
                (f'{p} "é" \\ / ж 漢 🙂 \u2028 \x85 \t{i}', f"{q} ✓")
                for i, (p, q) in enumerate(pairs)
            ]
        ),
        "split_by_1000.jsonl": jsonl(
            list(zip(texts(5100, 4, 1), labels(5100, 5, ("a", "b")), strict=True))
        ),
        "generation.jsonl": jsonl(list(zip(t, texts(60, 6), strict=True))),
        "generation_ended.jsonl": jsonl([(f"{p} ->", f" {p[::-1]} END") for p in t]),
        "generation_lines.jsonl": jsonl([(p, p.replace(" ", "\n")) for p in t]),
        "open_ended.jsonl": jsonl([("", p) for p in t]),
        "lines.txt": "".join(f"{p}\n" for p in t),
        "table.csv": table(
            [(f'{p}, "so"\n{i}', q) for i, (p, q) in enumerate(pairs)],
            ("prompt", "completion"),
            ",",
        ),
        "other_columns.tsv": table(
            [(q, p, "1") for p, q in pairs], ("COMPLETION", "Prompt", "score"), "\t"
        ),
        "array.json": json.dumps([{"prompt": p, "completion": q} for p, q in pairs], indent=1),
    }


def run_old_command(python: str, folder: Path, names: list[str]) -> None:
    """Prepare files in a folder; the prepared ones appear beside them."""
    for name in names:
        subprocess.run(
            [python, "-m", "openai", "tools", "fine_tunes.prepare_data", "-q", "-f", name],
            cwd=folder,
            check=True,
            capture_output=True,
        )


def rows_of(path: Path) -> list[list[str]]:
    """The records of a prepared file as prompt and completion."""
    lines = path.read_bytes().decode().split("\n")
    return [[row["prompt"], row["completion"]] for row in map(json.loads, filter(None, lines))]


def digest(rows: list[list[str]]) -> str:
    """The SHA-256 that stands for the rows of a file too large to keep."""
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()


def main() -> None:
    python = os.environ.get("TUNEBENCH_ORACLE_PYTHON", sys.executable)
    shutil.rmtree(OUTPUTS, ignore_errors=True)
    OUTPUTS.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        for name, content in inputs().items():
            Path(folder, name).write_text(content, encoding="utf-8", newline="")
        run_old_command(python, Path(folder), sorted(inputs()))
        for path in Path(folder).glob("*_prepared*"):
            if path.stat().st_size < LARGEST_KEPT:
                shutil.copy(path, OUTPUTS)
            else:
                Path(OUTPUTS, f"{path.name}.sha256").write_text(digest(rows_of(path)) + "\n")


if __name__ == "__main__":
    main()
