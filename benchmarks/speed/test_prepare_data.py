"""Rows a second and memory of `tunebench prepare-data`, and of the command it takes the place of.

The old command is measured when TUNEBENCH_ORACLE_PYTHON names a Python with openai 2.34.0.
"""

import os
import random
import string
import subprocess
import sys
import time

import pytest

ORACLE = os.environ.get("TUNEBENCH_ORACLE_PYTHON")
# Runs a command and prints its peak memory in bytes; a child's peak does not mix with the test's.
MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""
OURS = [
    sys.executable,
    "-c",
    "import sys; from tunebench.cli import main; main(['prepare-data', sys.argv[1], '--yes'])",
]
OLD = [ORACLE, "-m", "openai", "tools", "fine_tunes.prepare_data", "-q", "-f"]


def write_rows(path, n, characters):
    """n rows of made-up words without a separator, in two classes."""
    draw = random.Random(n)
    words = ["".join(draw.choices(string.ascii_lowercase, k=5)) for _ in range(500)]
    with path.open("w") as file:
        for i in range(n):
            text = " ".join(draw.choices(words, k=characters // 6))
            label = draw.choice(("Positive", "Negative"))
            file.write(f'{{"prompt": "{i} {text}", "completion": "{label}"}}\n')
    return path


def run(command, path):
    """Seconds and peak bytes of a command on a file; what it wrote is removed."""
    begun = time.perf_counter()
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, *command, str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - begun
    for written in path.parent.glob("*_prepared*"):
        written.unlink()
    return seconds, int(measured.stdout)


@pytest.mark.parametrize(("n", "characters"), [(100_000, 200), (20_000, 1300)])
def test_rows_per_second(benchmark, tmp_path, n, characters):
    path = write_rows(tmp_path / "rows.jsonl", n, characters)
    benchmark.extra_info["rows"] = n
    benchmark.pedantic(run, (OURS, path), rounds=3)


def test_a_million_rows_take_three_times_the_file_at_most(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", 1_000_000, 200)
    seconds, peak = run(OURS, path)
    size = path.stat().st_size
    print(f"1,000,000 rows: {1e6 / seconds:,.0f} rows/s, {peak / size:.2f} × {size / 1e6:.0f} MB")
    assert peak <= 3 * size


@pytest.mark.skipif(not ORACLE, reason="TUNEBENCH_ORACLE_PYTHON names no Python with openai 2.34.0")
@pytest.mark.parametrize(("n", "characters"), [(1_000_000, 200), (100_000, 200), (20_000, 1300)])
def test_three_times_as_fast_as_the_old_command(tmp_path, n, characters):
    path = write_rows(tmp_path / "rows.jsonl", n, characters)
    old, old_peak = run(OLD, path)
    ours, peak = run(OURS, path)
    print(
        f"{n:,} rows of {characters} characters: {n / ours:,.0f} against {n / old:,.0f} rows/s "
        f"({old / ours:.1f} ×), {peak / 1e6:.0f} against {old_peak / 1e6:.0f} MB"
    )
    assert old / ours >= 3
