"""The prepared files against those of the command that openai 2.34.0 was the last to have."""

import importlib.util
import os
import random
import subprocess
from pathlib import Path

import pytest

from tunebench.cli.main import main

FOLDER = Path(__file__).parent / "oracle"
ORACLE = os.environ.get("TUNEBENCH_ORACLE_PYTHON")


def load_regenerate():
    spec = importlib.util.spec_from_file_location("regenerate", FOLDER / "regenerate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


regenerate = load_regenerate()
INPUTS = regenerate.inputs()


def prepare(path):
    assert main(["prepare-data", str(path), "--yes", "--json"]) == 0
    return prepared_beside(path.parent, path.stem)


def prepared_beside(folder, stem):
    return {path.name: regenerate.rows_of(path) for path in folder.glob(f"{stem}_prepared*.jsonl")}


def write(folder, name, content):
    path = folder / name
    path.write_text(content, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("name", INPUTS)
def test_rows_are_those_of_the_old_command(name, tmp_path):
    path = write(tmp_path, name, INPUTS[name])
    ours = prepare(path)
    kept = {file.name for file in FOLDER.glob(f"outputs/{path.stem}_prepared*")}
    assert {file.removesuffix(".sha256") for file in kept} == set(ours)
    for file in kept:
        if file.endswith(".sha256"):
            digest = regenerate.digest(ours[file.removesuffix(".sha256")])
            assert digest == (FOLDER / "outputs" / file).read_text().strip()
        else:
            assert ours[file] == regenerate.rows_of(FOLDER / "outputs" / file)


def random_file(seed):
    """Rows of some of the features that the old command handles without a fault."""
    draw = random.Random(seed)
    n = draw.randrange(20, 400)
    texts = regenerate.texts(n, seed, draw.randrange(1, 6))
    if draw.random() < 0.3:
        texts = [f"Say how this is meant: {text}" for text in texts]
    if draw.random() < 0.3:
        texts = [text.replace(" ", draw.choice(["\n", " -> ", " é漢🙂 "]), 1) for text in texts]
    ending = draw.choice(["", "", " ->", "\n\n###\n\n", "\n\n===\n\n"])
    names = draw.choice([("good", "bad"), ("a", "b", "c"), ("LEFT", "RIGHT"), (" yes", "no")])
    labels = regenerate.labels(n, seed, names) if draw.random() < 0.8 else texts[::-1]
    rows = [(text + ending, label) for text, label in zip(texts, labels, strict=True)]
    if draw.random() < 0.3:
        rows += draw.choices(rows, k=5)
    elif draw.random() < 0.5:
        rows[3] = (rows[3][0], "")
    return regenerate.jsonl(rows)


ALL_AT_ONCE = """
import sys
from openai.lib import _validators as old
for name in sys.argv[1:]:
    frame, remediation = old.read_any_format(name)
    old.apply_necessary_remediation(None, remediation)
    validators = old.get_validators()
    old.apply_validators(frame, name, remediation, validators, True, old.write_out_file)
"""


@pytest.mark.oracle
@pytest.mark.skipif(not ORACLE, reason="TUNEBENCH_ORACLE_PYTHON names no Python with openai 2.34.0")
def test_random_rows_are_those_of_the_old_command_run_now(tmp_path):
    old, ours = tmp_path / "old", tmp_path / "ours"
    old.mkdir()
    ours.mkdir()
    files = {f"f{seed}.jsonl": random_file(seed) for seed in range(100)}
    for name, content in files.items():
        write(old, name, content)
    subprocess.run(
        [ORACLE, "-c", ALL_AT_ONCE, *files], cwd=old, check=True, stdout=subprocess.DEVNULL
    )
    for name, content in files.items():
        path = write(ours, name, content)
        assert prepare(path) == prepared_beside(old, path.stem), content[:500]


@pytest.mark.oracle
@pytest.mark.skipif(not ORACLE, reason="TUNEBENCH_ORACLE_PYTHON names no Python with openai 2.34.0")
def test_the_kept_outputs_are_those_of_the_old_command_run_now(tmp_path):
    for name, content in INPUTS.items():
        write(tmp_path, name, content)
    subprocess.run(
        [ORACLE, "-c", ALL_AT_ONCE, *INPUTS], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL
    )
    kept = {path.name for path in (FOLDER / "outputs").iterdir()}
    for path in tmp_path.glob("*_prepared*.jsonl"):
        rows = regenerate.rows_of(path)
        if path.name in kept:
            assert rows == regenerate.rows_of(FOLDER / "outputs" / path.name)
        else:
            text = (FOLDER / "outputs" / f"{path.name}.sha256").read_text()
            assert regenerate.digest(rows) == text.strip()
