"""Mistakes in thresholds and prices are found when the experiment is read."""

import pytest

from tunebench import Experiment, TunebenchError
from tunebench.evaluation.rules import RULES

EXPERIMENT = """
[task]
name = "made"
dataset = "imdb_reviews"
labels = ["Negative", "Positive"]
instruction = "Classify following sentence as Positive or Negative"
test_size = 10

[provider.nowhere]
base_url = "http://127.0.0.1:9/v1"

[[model]]
name = "one"
provider = "nowhere"
{prices}

[matrix]
shots = [0, 1]
decision_rules = [{rules}]

[[threshold]]
shots = 0
{limits}
"""


@pytest.fixture
def read(tmp_path):
    def read(limits, prices="", rules='"text"'):
        path = tmp_path / "experiment.toml"
        path.write_text(EXPERIMENT.format(limits=limits, prices=prices, rules=rules))
        return Experiment.read(path)

    return read


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (
            "",
            "there is no limit; add min_accuracy, min_balanced_accuracy, min_macro_f1, min_auc, "
            "min_recall, min_precision, min_uplift, max_cost or max_regression.",
        ),
        ('mode = "confident"', "there is no limit; add min_accuracy"),
        (
            "min_uplift = 0",
            'min_uplift needs the cell to compare with; name it, as over = "one-0shot".',
        ),
        ('over = "one-1shot"\nmin_accuracy = 0', "`over` is only for min_uplift; add that, or"),
        ('min_uplift = 0\nover = "one-2shot"', "there is no cell 'one-2shot'; did you mean 'one-"),
        ('min_uplift = 0\nover = "one-0shot"', "one-0shot would be compared with itself; select"),
        ('min_uplift = 2\nover = "one-1shot"', "min_uplift: must be at most 1, not 2."),
        ("max_cost = 1", "max_cost of one-0shot needs prices; give the model 'one' prices with"),
        ("max_cost = -1", "max_cost: must be at least 0, not -1."),
        ("max_regression = 1.5", "max_regression: must be at most 1, not 1.5."),
        ("min_macro_f1 = 1.1", "min_macro_f1: must be at most 1, not 1.1."),
        ("min_recall = 0.9", "min_recall: must be a table, not 0.9."),
        ("min_recall = {}", "min_recall: must have 1 entry or more"),
        (
            "min_recall = { Positve = 0.9 }",
            "min_recall: there is no label 'Positve'; did you mean 'Positive'?",
        ),
        ("min_precision = { Positive = 2 }", "min_precision.Positive: must be at most 1, not 2."),
        (
            'min_auc = 0.5\nmode = "confident"',
            'mode = "confident" needs an interval, and min_auc has none that holds for few texts; '
            'move it to a table of its own, where mode is "point".',
        ),
        (
            'min_macro_f1 = 0.5\nmode = "confident"',
            'mode = "confident" needs an interval, and min_m',
        ),
        (
            'min_balanced_accuracy = 0\nmode = "confident"',
            'mode = "confident" needs an interval, and min_b',
        ),
        (
            "min_auc = 0.5",
            "min_auc of one-0shot needs probabilities, and the decision rule text has none; add "
            'decision_rule = "label_logprobs", or "calibrated", to this table.',
        ),
        *(
            (
                f'{key} = {value}\nmode = "confident"',
                f'{name} = 1 cannot be reached with mode = "confident": no interval is all above '
                'it; lower it, or set mode = "point".',
            )
            for key, value, name in (
                ("min_accuracy", 1, "min_accuracy"),
                ("min_recall", "{ Positive = 1.0 }", "min_recall.Positive"),
                ("min_precision", "{ Positive = 1 }", "min_precision.Positive"),
                ('over = "one-1shot"\nmin_uplift', 1, "min_uplift"),
            )
        ),
        ('min_accuracy = 0\nmode = "sure"', "mode: must be 'point' or 'confident', not 'sure'."),
    ],
)
def test_a_limit_that_cannot_be_judged_is_a_sentence(read, limits, said):
    with pytest.raises(TunebenchError) as raised:
        read(limits)
    assert f"experiment.toml: [[threshold]] 1: {said}" in str(raised.value)


@pytest.mark.parametrize(
    ("prices", "said"),
    [
        (
            "prices = { input = 1, output = 2, per_hour = 3 }",
            "prices: the prices of 'one' are both per token and per_hour",
        ),
        ("prices = { input = -1 }", "prices.input: must be at least 0, not -1."),
        ("prices = { inputs = 1 }", "prices: unknown key 'inputs'; did you mean 'input'?"),
        (
            'prices = { input = 1, currency = "euro" }',
            "prices.currency: must be three capital letters such as EUR",
        ),
        ("prices = { input = inf }", "prices.input: must be a finite number, not inf."),
    ],
)
def test_prices_that_make_no_sense_are_a_sentence(read, prices, said):
    with pytest.raises(TunebenchError, match="toml: ") as raised:
        read("min_accuracy = 0", prices)
    assert said in str(raised.value)


def test_half_of_the_prices_make_no_cost(read):
    with pytest.raises(TunebenchError, match="max_cost of one-0shot needs prices"):
        read("max_cost = 1", "prices = { input = 1 }")


def test_cells_with_probabilities_may_have_an_auc(read):
    assert {rule for rule, kind in RULES.items() if not kind.has_probabilities} == {"text"}
    experiment = read('decision_rule = "calibrated"\nmin_auc = 0.5', rules='"text", "calibrated"')
    limits = {str(cell): [limit.gate for limit in cell.limits] for cell in experiment.cells}
    assert limits["one-0shot-calibrated"] == ["min_auc"]
    assert limits["one-0shot"] == []


def test_a_later_table_may_replace_a_limit_that_could_not_be_reached(read):
    limits = 'min_accuracy = 1\nmode = "confident"\n[[threshold]]\nmin_accuracy = 0.9'
    assert [limit.value for limit in read(limits).cells[0].limits] == [0.9]


def test_limits_stay_with_the_cells_that_they_name(read):
    experiment = read('min_accuracy = 0.5\nmin_uplift = 0.1\nover = "one-1shot"')
    first, second = experiment.cells
    assert [(limit.gate, limit.value, limit.over) for limit in first.limits] == [
        ("min_accuracy", 0.5, None),
        ("min_uplift", 0.1, "one-1shot"),
    ]
    assert (first.min_accuracy, second.min_accuracy, second.limits) == (0.5, 0.0, ())
    assert first.threshold.value == 0.5
    assert second.threshold is None
