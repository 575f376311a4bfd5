"""When training is paid back, from rows of results."""

import pytest

from tunebench.analysis.break_even import break_evens

from .made_rows import cell

PRICED = {"currency": "EUR", "cost_per_1000": 2.0}


def _calibrated(cost: float | None):
    return cell(
        60, rule="calibrated",
        calibration={"method": "labelled", "texts": 100, "biases": [0.5, -0.5], "cost": cost},
        **PRICED,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("calibration", "requests", "said"),
    [
        (None, 5000, "its training, 5 EUR, is paid back after 5,000 texts"),
        (
            1.0,
            4000,
            "its training, 5 EUR (less 1 for the calibration of m-0shot-calibrated), is paid back "
            "after 4,000 texts",
        ),
        (7.0, 0, "is paid back after 0 texts"),
    ],
)
def test_what_the_calibration_of_the_prompt_costs_is_saved(calibration, requests, said):
    tuned = cell(80, size=300, cost_per_1000=1.0, training_cost=5.0, currency="EUR")
    (found,) = break_evens([_calibrated(calibration), tuned])
    assert (found.requests, found.training_cost) == (requests, 5.0)
    assert said in found.sentence
