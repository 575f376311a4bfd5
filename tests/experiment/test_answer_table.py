"""The table `[answer]` of an experiment file."""

from pathlib import Path

import pytest

from tunebench import TunebenchError
from tunebench.analysis.details import meaning

from ..experiment_example import read_example


@pytest.mark.parametrize(("value", "read"), [("0.02", 0.02), ("0", 0.0), ("0.999", 0.999)])
def test_the_smallest_gain_is_a_share(tmp_path: Path, value: str, read: float) -> None:
    experiment = read_example(tmp_path, end=f"\n[answer]\nsmallest_gain = {value}\n")
    assert experiment.answer.smallest_gain == read


def test_it_is_0_by_default_and_part_of_what_the_file_says(tmp_path: Path) -> None:
    plain, empty = read_example(tmp_path), read_example(tmp_path, end="\n[answer]\n")
    other = read_example(tmp_path, end="\n[answer]\nsmallest_gain = 0.02\n")
    assert plain.answer.smallest_gain == 0
    assert meaning(plain) == meaning(empty) != meaning(other)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("smallest_gain = -0.1", "[answer] smallest_gain: "),
        ("smallest_gain = 1", "[answer] smallest_gain: "),
        ("smallest_gain = nan", "[answer] smallest_gain: "),
        ('smallest_gain = "2 points"', "[answer] smallest_gain: "),
        ("smallest = 0.1", "unknown key 'smallest'; did you mean 'smallest_gain'?"),
    ],
)
def test_anything_else_is_an_error(tmp_path: Path, table: str, said: str) -> None:
    with pytest.raises(TunebenchError) as raised:
        read_example(tmp_path, end=f"\n[answer]\n{table}\n")
    assert said in str(raised.value)


def test_models_of_this_machine_are_known_by_their_address(tmp_path: Path) -> None:
    here = read_example(tmp_path)
    assert {provider.is_local for provider in here.providers.values()} == {True}
    away = read_example(tmp_path, ("http://127.0.0.1:8017/v1", "https://localhost.example/v1"))
    assert not any(provider.is_local for provider in away.providers.values())
