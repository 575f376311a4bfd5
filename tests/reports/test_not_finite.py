"""Numbers that JSON does not know, from a provider's result file or a fit: null in the results."""

import csv
import json

import pytest

from ..pets_project import edit

DIVERGED = b"step,train_loss,valid_loss,custom\n1,0.5,,x\n2,inf,nan,y\n3,0.25,1e999,z\n"


@pytest.fixture
def tuned(pets, jobs):
    """A fine-tuned cell; `jobs` says what its provider answers."""
    pets.toml = pets.add(more="[fine_tuning]\nn_epochs = 2\n")
    edit(pets.toml, "[matrix]\nshots = [0]", "[matrix]\nshots = [0]\ntrain_sizes = [20]")
    jobs.complete = pets.answer
    pets.loopback.answer = jobs.answer
    return pets


def run(tuned):
    done = tuned.record("--results", "out")
    assert done.ret == 0, done.stdout.str()
    again = tuned.run("--results", "out")
    assert again.ret == 0
    text = (tuned.root / "out/results.json").read_text()
    return json.loads(text, parse_constant=pytest.fail)


def test_a_loss_that_diverged_is_null(tuned, jobs):
    jobs.result = DIVERGED
    (job,) = run(tuned)["jobs"]
    assert job["curve"] == [
        {"step": 1, "training_loss": 0.5, "custom": "x"},
        {"step": 2, "training_loss": None, "validation_loss": None, "custom": "y"},
        {"step": 3, "training_loss": 0.25, "validation_loss": None, "custom": "z"},
    ]
    assert "training 0.25" in (tuned.root / "out/report.html").read_text()


@pytest.mark.parametrize("tokens", [10**30, -1, "many", 1.5, True, [1], None])
def test_tokens_that_are_no_number_are_null(tuned, jobs, tokens):
    edit(tuned.toml, 'provider = "standin"\n\n[matrix]', 'provider = "standin"\n'
         "prices = { training = 3, input = 1, output = 1 }\n\n[matrix]")  # fmt: skip
    jobs.extra = {"trained_tokens": tokens}
    real = jobs._advance

    def advance(job):
        real(job)
        job["trained_tokens"] = tokens

    jobs._advance = advance
    results = run(tuned)
    (cell,) = (cell for cell in results["cells"] if cell["train_size"])
    assert cell["trained_tokens"] is cell["training_cost"] is results["jobs"][0]["trained_tokens"]
    assert cell["trained_tokens"] is None
    (row,) = (
        row
        for row in csv.DictReader((tuned.root / "out/results.csv").open())
        if row["train_size"] == "20"
    )
    assert row["trained_tokens"] == ""


def test_prices_whose_product_is_no_number_hide_nothing(tuned):
    edit(tuned.toml, 'provider = "standin"\n\n[matrix]', 'provider = "standin"\n'
         "prices = { input = 1e308, output = 1e308 }\n\n[matrix]")  # fmt: skip
    done = tuned.record("--results", "out")
    assert done.ret == 0
    cells = tuned.results()["cells"]
    assert [cell["cost_per_1000"] for cell in cells] == [None, None] or all(
        cell["cost_per_1000"] < float("inf") for cell in cells
    )


def test_a_forecast_without_a_first_value_is_written(tuned, monkeypatch):
    import tunebench.analysis.forecast
    from tunebench.statistics import Forecast

    steep = Forecast(None, 5e6, 5e6, 1e7, 40, 1.0, 1.0, 1.0)
    monkeypatch.setattr(tunebench.analysis.forecast, "forecast_doubling", lambda *_, **__: steep)
    (need,) = run(tuned)["data_needs"]
    assert need["a"] is None
    assert need["b"] == 5e6
