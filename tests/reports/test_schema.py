"""The JSON Schema of results.json: it is the code's, and what runs write fits it."""

import json
import sys

import jsonschema  # noqa: F401 - without it, no test's results are compared with the schema
import pytest

from ..results_schema import PATH, ROOT, fits


@pytest.fixture
def generated(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import results_schema

    yield results_schema
    del sys.modules["results_schema"]


def test_the_committed_schema_is_what_the_code_makes(generated):
    assert json.loads(PATH.read_text(encoding="utf-8")) == generated.schema()


def test_the_recorded_experiments_results_fit_it(imdb_replay):
    results = json.loads((imdb_replay / "results.json").read_text())
    fits(results)
    del results["cells"][0]["accuracy"]
    with pytest.raises(AssertionError, match="'accuracy' is a required property"):
        fits(results)


def test_experiments_say_what_they_are_made_from(imdb_replay):
    results = json.loads((imdb_replay / "results.json").read_text())
    [about] = results["experiments"]
    assert about["instruction"] == "Classify following sentence as Positive or Negative"
    assert (about["seed"], about["fine_tuning_seed"]) == (0, 0)
    assert results["tunebench"].count(".") == 2


SAME = "# A comment.\n[matrix]\nshots = [0, 1]\n\n[fine_tuning]\nn_epochs = 4\n"


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("[matrix]\nshots = [0, 1]\n", SAME, True),  # 4 is the default
        ("test_size = 10", "test_size = 0x0A", True),
        ("test_size = 10", "test_size = 11", False),
        ("Say which it is", "Say which", False),
        ("shots = [0, 1]", "shots = [1, 0]", False),
        ("retries = 0", "retries = 1", False),
        ('base_url = "http:', 'base_url = "https:', True),  # a replay sends nothing there
    ],
)
def test_the_hash_of_an_experiment_is_of_its_meaning(pets, old, new, same):
    from tunebench import Experiment
    from tunebench.analysis.details import meaning

    path = pets.add(shots="[0, 1]")
    before = meaning(Experiment.read(path))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    assert (meaning(Experiment.read(path)) == before) is same
    assert len(before) == 64
