"""Several wordings of the instruction, draws of worked examples, and seeds of training."""

from pathlib import Path

import pytest

from tunebench import Cell, Experiment, TunebenchError
from tunebench.evaluation import prompts_of

from ..experiment_example import read_example

ONE_MODEL = ('\n[[model]]\nname = "gemma3-270m"\nprovider = "local"\n', "")
SHOTS = "shots = [0, 1, 4]\n"
SIZES = f"{SHOTS}train_sizes = [300, 2000]\n"


def read(folder: Path, matrix: str, end: str = "") -> Experiment:
    return read_example(folder, ONE_MODEL, (SHOTS, matrix), end=end)


def ids(experiment: Experiment) -> list[str]:
    return [str(cell).removeprefix("smollm2-135m-") for cell in experiment.cells]


def cell(experiment: Experiment, name: str) -> Cell:
    return next(cell for cell in experiment.cells if str(cell) == f"smollm2-135m-{name}")


WORDINGS = 'instructions = { plain = "Classify this", terse = "Label:" }\n'


def test_each_wording_and_draw_is_a_cell_of_its_own(tmp_path: Path) -> None:
    experiment = read(tmp_path, "shots = [0, 1]\nexample_draws = [0, 2]\n" + WORDINGS)
    assert ids(experiment) == [
        "0shot-plain",
        "0shot-terse",
        "1shot-plain-draw0",
        "1shot-plain-draw2",
        "1shot-terse-draw0",
        "1shot-terse-draw2",
    ]


def test_the_rule_stands_at_the_end_of_an_id(tmp_path: Path) -> None:
    rules = 'decision_rules = ["text", "label_logprobs"]\n'
    experiment = read(tmp_path, "shots = [1]\nexample_draws = [1, 2]\n" + rules)
    assert ids(experiment)[:2] == ["1shot-draw1", "1shot-draw1-label_logprobs"]
    assert experiment.cells[0].answered_by == experiment.cells[1].answered_by


def test_prompts_begin_with_the_cells_wording(tmp_path: Path) -> None:
    experiment = read(tmp_path, "shots = [0, 1]\n" + WORDINGS)
    for name, first in (("0shot-terse", "Label:\n"), ("1shot-plain", "Classify this\n")):
        assert all(
            prompt.startswith(first) for prompt in prompts_of(cell(experiment, name)).values()
        )


def test_draw_0_has_the_examples_of_an_experiment_without_draws(tmp_path: Path) -> None:
    plain = prompts_of(cell(read(tmp_path, SHOTS), "4shot"))
    drawn = read(tmp_path, SHOTS + "example_draws = [0, 1]\n")
    assert prompts_of(cell(drawn, "4shot-draw0")) == plain
    other = prompts_of(cell(drawn, "4shot-draw1"))
    assert other.keys() == plain.keys()
    assert all(other[item] != plain[item] for item in plain)


def test_a_draw_is_that_of_a_later_seed(tmp_path: Path) -> None:
    seed_1 = read_example(tmp_path, ("test_size = 100\n", "test_size = 100\nseed = 1\n"))
    drawn = read(tmp_path, SHOTS + "example_draws = [1]\n")
    expected = prompts_of(next(one for one in seed_1.cells if str(one) == "smollm2-135m-4shot"))
    assert prompts_of(cell(drawn, "4shot-draw1")) == expected


def test_each_seed_is_a_cell_with_a_job_and_cassettes_of_its_own(tmp_path: Path) -> None:
    experiment = read(tmp_path, SIZES, end="\n[fine_tuning]\nseeds = [0, 7]\n")
    tuned = [str(one).removeprefix("smollm2-135m-") for one in experiment.fine_tuned_cells]
    assert tuned == ["ft300-seed0", "ft300-seed7", "ft2000-seed0", "ft2000-seed7"]
    assert list(experiment.jobs) == [f"smollm2-135m-{name}" for name in tuned]
    assert len({one.job_cassette for one in experiment.fine_tuned_cells}) == 4
    assert [one.training_seed for one in experiment.fine_tuned_cells] == [0, 7, 0, 7]


@pytest.mark.parametrize("table", ["", "seed = 5\n", "seeds = [5]\n"])
def test_one_seed_is_not_part_of_an_id(tmp_path: Path, table: str) -> None:
    experiment = read(tmp_path, SIZES, end=f"\n[fine_tuning]\n{table}")
    first = experiment.fine_tuned_cells[0]
    assert str(first) == "smollm2-135m-ft300"
    assert first.training_seed == (5 if table else 0)


def test_seeds_can_be_left_out_of_a_size(tmp_path: Path) -> None:
    skip = 'skip = [{ train_size = 2000, seed = 7, reason = "it takes long" }]\n'
    experiment = read(tmp_path, SIZES + skip, end="\n[fine_tuning]\nseeds = [0, 7]\n")
    assert "smollm2-135m-ft2000-seed7" not in map(str, experiment.cells)
    assert "smollm2-135m-ft2000-seed0" in map(str, experiment.cells)


def test_fine_tuned_cells_can_have_decision_rules_of_their_own(tmp_path: Path) -> None:
    rules = 'decision_rules = ["label_logprobs"]\n'
    experiment = read(tmp_path, SIZES + rules, end='\n[fine_tuning]\ndecision_rules = ["text"]\n')
    assert {one.decision_rule for one in experiment.fine_tuned_cells} == {"text"}
    assert {one.decision_rule for one in experiment.prompted_cells} == {"label_logprobs"}


def test_a_threshold_can_select_a_wording_a_draw_and_a_seed(tmp_path: Path) -> None:
    end = (
        "\n[fine_tuning]\nseeds = [0, 7]\n"
        '[[threshold]]\ninstruction = "terse"\nmin_accuracy = 0.6\n'
        "[[threshold]]\nexample_draw = 1\nmin_accuracy = 0.7\n"
        "[[threshold]]\nseed = 7\nmin_accuracy = 0.8\n"
    )
    matrix = SIZES + "example_draws = [0, 1]\n" + WORDINGS
    experiment = read(tmp_path, matrix, end)
    found = {name: cell(experiment, name).min_accuracy for name in ids(experiment)}
    assert found["0shot-terse"] == found["1shot-terse-draw0"] == 0.6
    assert found["1shot-plain-draw1"] == found["1shot-terse-draw1"] == 0.7
    assert found["ft300-seed7"] == 0.8
    assert found["ft300-seed0"] == found["0shot-plain"] == 0.0


@pytest.mark.parametrize(
    ("matrix", "end", "sentence"),
    [
        ("shots = [0]\nexample_draws = [0, 1]\n", "",
         "[matrix] example_draws: there are no worked examples to draw; add a number above 0 to "
         "shots, or leave example_draws out."),
        (SHOTS + "example_draws = [1, 1]\n", "",
         "[matrix] example_draws: a value is listed twice; list each once."),
        (SHOTS + 'instructions = { a = "Do", b = "Do" }\n', "",
         "[matrix] instructions: a value is listed twice; list each once."),
        (SHOTS + 'instructions = { seed1 = "Do" }\n', "",
         "[matrix] instructions: 'seed1' has another meaning in the ids of cells; rename it."),
        (SHOTS + 'instructions = { label_logprobs = "Do" }\n', "",
         "[matrix] instructions: 'label_logprobs' has another meaning in the ids of cells; rename "
         "it."),
        (SIZES, "\n[fine_tuning]\nseed = 1\nseeds = [1, 2]\n",
         "[fine_tuning]: there are both seed and seeds; keep one of them."),
        (SIZES, "\n[fine_tuning]\nseeds = [2, 2]\n",
         "[fine_tuning] seeds: a value is listed twice; list each once."),
    ],
)  # fmt: skip
def test_a_mistake_is_a_sentence(tmp_path: Path, matrix: str, end: str, sentence: str) -> None:
    with pytest.raises(TunebenchError) as raised:
        read(tmp_path, matrix, end)
    assert str(raised.value).endswith(f"experiment.toml: {sentence}")


def test_training_rows_limit_what_examples_are_drawn_from(tmp_path: Path) -> None:
    few = read_example(tmp_path, ("test_size = 100\n", "test_size = 100\ntraining_rows = 6\n"))
    prompts = prompts_of(few.cells[-1])
    again = read_example(tmp_path)
    assert prompts_of(again.cells[-1]).keys() == prompts.keys()
    assert prompts_of(again.cells[-1]) != prompts


def test_more_training_rows_than_there_are_is_a_sentence(tmp_path: Path) -> None:
    many = read_example(tmp_path, ("test_size = 100\n", "test_size = 100\ntraining_rows = 2001\n"))
    with pytest.raises(TunebenchError) as raised:
        prompts_of(many.cells[-1])
    assert str(raised.value).endswith(
        "[task] training_rows: 2001 is more than the 2000 training rows of 'imdb_reviews'; lower "
        "it to 2000 or less, or leave it out."
    )
