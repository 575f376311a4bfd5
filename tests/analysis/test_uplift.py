"""What one cell gains over another: from judgements, and as the plugin shows it."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebench import Experiment, TunebenchError
from tunebench.analysis import Uplift
from tunebench.evaluation import Result, judge
from tunebench.reports import UpliftRow, uplift_table
from tunebench.statistics import mcnemar_exact, mcnemar_mid_p, paired_bootstrap, texts_needed

MATRIX = """
[task]
name = "made"
dataset = "imdb_reviews"
labels = ["Negative", "Positive"]
instruction = "Classify following sentence as Positive or Negative"
test_size = 10
seed = 7

[provider.nowhere]
base_url = "http://127.0.0.1:9/v1"

[[model]]
name = "one"
provider = "nowhere"

[[model]]
name = "one-more"
provider = "nowhere"

[matrix]
shots = [0, 1]
train_sizes = [300, 500]
decision_rules = ["text", "label_logprobs"]
skip = [{ model = "one-more", shots = 1, reason = "as an example" }]
"""

COMPARE = """
@pytest.mark.parametrize("model", experiment.models)
def test_rules(model, compare):
    rivals = [cell for cell in experiment.cells if cell.model == model]
    uplift = compare(rivals[0], rivals[1])
    assert uplift.difference > 0, uplift.explain()

def test_shots(compare):
    cell = experiment.cells[1]
    uplift = compare(cell, cell.prompted(shots=1))
    assert uplift.difference > 0, uplift.explain()
"""


def read(folder: Path, text: str = MATRIX) -> Experiment:
    path = folder / "experiment.toml"
    path.write_text(text)
    return Experiment.read(path)


@pytest.fixture
def made(tmp_path):
    return read(tmp_path)


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    return read(tmp_path_factory.mktemp("made"))


def cell(experiment, name):
    return next(cell for cell in experiment.cells if str(cell) == name)


def result(cell, predictions, labels=None, items=None):
    """A result of made judgements; without labels every text is Positive."""
    labels = [1] * len(predictions) if labels is None else labels
    items = [f"item-{i}" for i in range(len(predictions))] if items is None else items
    return Result(cell, judge(items, labels, predictions), 10, 1, 1.0, "2026-01-01T00:00:00Z")


def test_an_uplift_is_the_difference_with_its_paired_test(made):
    tuned = result(cell(made, "one-ft300"), [1, 1, 1, 1, 1, 1, 1, 0, 0, 1])
    prompted = result(cell(made, "one-1shot"), [1, 1, 0, 0, None, 0, None, 1, 0, 0])
    uplift = Uplift.of(tuned, prompted)
    assert (uplift.cell, uplift.other) == (tuned.cell, prompted.cell)
    assert (uplift.n, uplift.only_first, uplift.only_other) == (10, 6, 1)
    assert uplift.difference == pytest.approx(tuned.accuracy - prompted.accuracy)
    assert uplift.p == mcnemar_mid_p(6, 1)
    interval = paired_bootstrap([True] * 8 + [False] * 2, [True] * 2 + [False] * 7 + [True], seed=7)
    assert (uplift.low, uplift.high) == interval


def test_an_uplift_says_itself_in_a_sentence(made):
    tuned = result(cell(made, "one-ft300"), [1] * 10)
    uplift = Uplift.of(tuned, result(cell(made, "one-1shot"), [1] * 4 + [0] * 6))
    assert uplift.explain() == (
        "one-ft300 over one-1shot: uplift +0.600 on the same 10 texts (95 % interval +0.300 to "
        "+0.900, mid-p 0.016), 6 right by the first only, 0 by the other only"
    )


def test_an_uplift_as_a_row_is_plain_json(made):
    tuned = result(cell(made, "one-ft300"), [1] * 10)
    row = Uplift.of(tuned, result(cell(made, "one-1shot"), [0] * 10)).row()
    assert json.loads(json.dumps(row)) == {
        "experiment": "made",
        "model": "one",
        "cell": "one-ft300",
        "over_model": "one",
        "over": "one-1shot",
        "n": 10,
        "only_first": 10,
        "only_other": 0,
        "difference": 1.0,
        "ci_low": 1.0,
        "ci_high": 1.0,
        "p": mcnemar_mid_p(10, 0),
        "exact_p": mcnemar_exact(10, 0),
        "texts_needed": texts_needed(1.0, 0.0),
    }


def test_texts_are_paired_by_item_not_by_position(made):
    items, labels, predictions = ["a", "b", "c"], [0, 1, 1], [0, 0, 1]
    first = result(cell(made, "one-ft300"), predictions, labels, items)
    other = result(cell(made, "one-1shot"), predictions[::-1], labels[::-1], items[::-1])
    uplift = Uplift.of(first, other)
    assert (uplift.difference, uplift.only_first, uplift.only_other, uplift.p) == (0, 0, 0, 1)


@given(
    answers=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.none() | st.integers(0, 2)), min_size=1
    ),
    random=st.randoms(),
)
def test_swapping_the_cells_changes_the_sign_alone(made_once, answers, random):
    labels, first, other = (list(column) for column in zip(*answers, strict=True))
    items = [str(i) for i in range(len(labels))]
    one = result(cell(made_once, "one-ft300"), first, labels, items)
    order = random.sample(range(len(items)), len(items))
    two = result(
        cell(made_once, "one-0shot"),
        *([column[i] for i in order] for column in (other, labels, items)),
    )
    there, back = Uplift.of(one, two), Uplift.of(two, one)
    assert there.difference == -back.difference == pytest.approx(one.accuracy - two.accuracy)
    assert there.p == back.p
    assert (there.only_first, there.only_other) == (back.only_other, back.only_first)


def test_a_negative_seed_is_a_seed(tmp_path):
    made = read(tmp_path, MATRIX.replace("seed = 7", "seed = -7"))
    uplift = Uplift.of(
        result(cell(made, "one-ft300"), [1, 0]), result(cell(made, "one-0shot"), [0, 1])
    )
    assert uplift.low <= 0 <= uplift.high


@pytest.mark.parametrize(
    ("labels", "items", "said"),
    [
        ([1, 1, 1], ["a", "b", "c"], r"1 items, such as c, are in one only; evaluate both"),
        ([1], ["a"], r"1 items, such as b, are in one only"),
        ([1, 0], ["a", "b"], r"1 items, such as b, have another label in the one"),
    ],
)
def test_results_of_other_texts_are_refused(made, labels, items, said):
    first = result(cell(made, "one-ft300"), [1, 1], items=["a", "b"])
    other = result(cell(made, "one-1shot"), [1] * len(items), labels, items)
    with pytest.raises(TunebenchError, match=f"^one-ft300 and one-1shot cannot .*: {said}"):
        Uplift.of(first, other)


def test_cells_are_either_fine_tuned_or_prompted(made):
    assert list(map(str, made.fine_tuned_cells)) == [
        f"{model}-ft{size}{rule}"
        for model in ("one", "one-more")
        for size in (300, 500)
        for rule in ("", "-label_logprobs")
    ]
    assert {*made.fine_tuned_cells, *made.prompted_cells} == set(made.cells)
    assert len(made.prompted_cells) == 6


def test_a_fine_tuned_cell_names_its_counterparts(made):
    tuned = cell(made, "one-ft300-label_logprobs")
    assert str(tuned.prompted(shots=1)) == "one-1shot"
    assert str(tuned.prompted(0, "label_logprobs")) == "one-0shot-label_logprobs"
    assert list(map(str, tuned.other_prompts)) == [
        "one-0shot",
        "one-0shot-label_logprobs",
        "one-1shot",
        "one-1shot-label_logprobs",
    ]
    assert tuned not in tuned.other_prompts
    assert cell(made, "one-0shot") not in cell(made, "one-0shot").other_prompts


def test_a_counterpart_that_the_matrix_lacks_is_a_sentence(made):
    with pytest.raises(
        TunebenchError,
        match=r"toml: there is no prompted cell of 'one-more' with 1 shots and .* rule 'text'",
    ):
        cell(made, "one-more-ft300").prompted(shots=1)


def test_the_table_leaves_the_model_out_of_its_own_cells_names(made):
    tuned = result(cell(made, "one-ft300-label_logprobs"), [1, 1, 1, 0])
    over = [result(cell(made, name), [0, 0, 0, 0]) for name in ("one-1shot", "one-more-0shot")]
    lines = uplift_table([UpliftRow(**Uplift.of(tuned, other).row()) for other in over])
    assert [line.split() for line in lines] == [
        ["model", "cell", "over", "uplift", "95", "%", "interval", "p", "n"],
        ["one", "ft300-label_logprobs", "1shot", "+0.750", "+0.250", "to", "+1.000", "0.12", "4"],
        [
            *("one", "ft300-label_logprobs", "one-more-0shot"),
            *("+0.750", "+0.250", "to", "+1.000", "0.12", "4"),
        ],
    ]


@pytest.fixture
def compared(two_rules, recordings):
    two_rules.write_test(COMPARE)
    recordings.record(two_rules, passed=2, failed=1)
    return two_rules


def test_uplifts_that_tests_asked_for_stand_below_the_accuracies(compared, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    done = compared.run()
    lines = done.stdout.lines
    start = next(i for i, line in enumerate(lines) if line.startswith("model  cell"))
    assert lines[start - 1] == ""
    assert lines[start - 2].split()[0] == "two-0shot-label_logprobs"
    assert [line.split()[:4] for line in lines[start + 1 : start + 4]] == [
        ["one", "0shot", "0shot-label_logprobs", "+0.200"],
        ["one", "0shot-label_logprobs", "1shot", "-0.200"],
        ["two", "0shot", "0shot-label_logprobs", "+0.200"],
    ]
    done.stdout.fnmatch_lines(
        ["*AssertionError: one-0shot-label_logprobs over one-1shot: uplift -0.200 on the same 45*"]
    )
    assert compared.loopback.asked == []


def test_uplifts_are_in_the_results_but_not_in_the_csv(compared):
    compared.run("--results", "out")
    uplifts = compared.results()["uplifts"]
    assert [(row["cell"], row["over"]) for row in uplifts] == [
        ("one-0shot", "one-0shot-label_logprobs"),
        ("one-0shot-label_logprobs", "one-1shot"),
        ("two-0shot", "two-0shot-label_logprobs"),
    ]
    assert (uplifts[0]["only_first"], uplifts[0]["only_other"], uplifts[0]["n"]) == (27, 18, 45)
    assert uplifts[0]["p"] == mcnemar_mid_p(27, 18)
    header, *rows = (compared.root / "out" / "results.csv").read_text().splitlines()
    assert len(rows) == 5
    assert "difference" not in header


def test_uplifts_are_the_same_bytes_when_spread_over_processes(compared):
    compared.run("--results", "alone")
    compared.pytester.runpytest_subprocess(
        "benchmarks", "--results", "spread", "-n", "2", "-p", "xdist"
    ).assert_outcomes(passed=2, failed=1)
    texts = {(compared.root / d / "results.json").read_bytes() for d in ("alone", "spread")}
    assert len(texts) == 1


def test_a_comparison_without_a_recording_fails_alone_and_as_an_evaluation_does(compared):
    (compared.root / "cassettes" / "small" / "two-0shot-label_logprobs.jsonl").unlink()
    done = compared.run("--results", "out")
    done.assert_outcomes(passed=1, failed=2)
    done.stdout.fnmatch_lines(["*two-0shot-label_logprobs*there is no cassette*--record=missing*"])
    results = compared.results()
    assert len(results["uplifts"]) == 2
    assert [error["cell"] for error in results["errors"]] == ["two-0shot-label_logprobs"]


def test_a_comparison_of_cells_that_were_asked_other_texts_fails_in_a_sentence(compared):
    fewer = compared.toml.read_text().replace("test_size = 45", "test_size = 40")
    (compared.folder / "fewer.toml").write_text(fewer)
    compared.write_test(
        "fewer = Experiment.read('benchmarks/small/fewer.toml')\n"
        "def test_texts(compare):\n    compare(experiment.cells[0], fewer.cells[1])\n"
    )
    done = compared.run("--results", "out")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        ["one-0shot and one-0shot-label_logprobs cannot be compared: 5 items, such as movie-*"]
    )
    assert compared.results()["uplifts"] == []


def test_a_run_without_comparisons_has_no_second_table(compared):
    compared.write_test(
        "def test_one(evaluate):\n    assert evaluate(experiment.cells[0]).correct == 27\n"
    )
    done = compared.run("--results", "out")
    done.assert_outcomes(passed=1)
    done.stdout.no_fnmatch_line("*uplift*")
    assert compared.results()["uplifts"] == []
