"""The worked examples: their data is what its maker makes, their cassettes are whole and clean."""

import csv
import importlib.util
from pathlib import Path

import pytest

from tunebench.cli import main

ROOT = Path(__file__).parents[2]
TICKETS = ROOT / "benchmarks" / "tickets"


@pytest.fixture
def maker(tmp_path):
    copy = tmp_path / "make_tickets.py"
    copy.write_bytes((TICKETS / "make_tickets.py").read_bytes())
    spec = importlib.util.spec_from_file_location("make_tickets", copy)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tickets_are_those_that_are_made(maker, tmp_path):
    maker.main()
    for name in ("train.csv", "test.csv"):
        assert (tmp_path / name).read_bytes() == (TICKETS / name).read_bytes()


def test_what_a_writer_wants_is_worded_otherwise_in_the_test_rows(maker):
    def texts(name):
        with (TICKETS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return "\n".join(row["message"].lower() for row in csv.DictReader(file))

    train, test = texts("train"), texts("test")
    for wants in maker.WANTS.values():
        for number, want in enumerate(wants):
            if "{" not in want:
                assert want.lower() not in (train if number % 2 else test)


@pytest.mark.parametrize("name", ["imdb", "imdb_article", "sentences", "tickets"])
def test_cassettes_are_whole_and_hold_no_text(name, capsys):
    assert main(["cassettes", "verify", str(ROOT / "benchmarks" / name)]) == 0, capsys.readouterr()
