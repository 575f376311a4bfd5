import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from tunebench import Experiment

from ..experiment_example import EXAMPLE, RULES, read_example


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Experiment]:
    return functools.partial(read_example, tmp_path)


def ids(experiment: Experiment) -> list[str]:
    return [str(cell) for cell in experiment.cells]


def test_the_example_is_read_as_it_stands(read) -> None:
    experiment = read()
    assert experiment.name == "imdb"
    assert experiment.task.labels == ["Negative", "Positive"]
    assert (experiment.task.test_size, experiment.task.seed) == (100, 0)
    assert list(experiment.models) == ["smollm2-135m", "gemma3-270m"]
    assert experiment.providers["local"].base_url == "http://127.0.0.1:8017/v1"


def test_cells_are_every_combination_in_the_order_of_the_file(read) -> None:
    assert ids(read()) == [
        "smollm2-135m-0shot",
        "smollm2-135m-1shot",
        "smollm2-135m-4shot",
        "gemma3-270m-0shot",
        "gemma3-270m-1shot",
        "gemma3-270m-4shot",
    ]


def test_a_cells_id_names_every_decision_rule_but_the_articles(read) -> None:
    experiment = read(("shots = [0, 1, 4]\n", "shots = [4, 1]\n" + RULES))
    assert ids(experiment)[:4] == [
        "smollm2-135m-4shot",
        "smollm2-135m-4shot-label_logprobs",
        "smollm2-135m-1shot",
        "smollm2-135m-1shot-label_logprobs",
    ]
    assert len(set(ids(experiment))) == 8
    assert repr(experiment.cells[0]) == "Cell(imdb/smollm2-135m-4shot)"


def test_without_a_matrix_each_model_is_asked_zero_shot(read) -> None:
    experiment = read(("[matrix]\nshots = [0, 1, 4]\n", ""), ("shots = 1\n", ""))
    assert ids(experiment) == ["smollm2-135m-0shot", "gemma3-270m-0shot"]


def test_cells_know_their_experiment_and_are_equal_by_value(read) -> None:
    left, right = read(), read()
    assert left.cells == right.cells
    assert len({*left.cells, *right.cells}) == 6
    assert all(cell.experiment == left for cell in left.cells)


def test_skipped_cells_are_left_out(read) -> None:
    skip = (
        'skip = [{ model = "gemma3-270m", shots = 4, reason = "too slow" },\n'
        '        { model = "smollm2-135m", shots = 0, decision_rule = "text", reason = "silly" }]\n'
    )
    experiment = read(("shots = [0, 1, 4]\n", "shots = [0, 1, 4]\n" + RULES + skip))
    assert ids(experiment) == [
        "smollm2-135m-0shot-label_logprobs",
        "smollm2-135m-1shot",
        "smollm2-135m-1shot-label_logprobs",
        "smollm2-135m-4shot",
        "smollm2-135m-4shot-label_logprobs",
        "gemma3-270m-0shot",
        "gemma3-270m-0shot-label_logprobs",
        "gemma3-270m-1shot",
        "gemma3-270m-1shot-label_logprobs",
    ]


def test_a_threshold_holds_for_the_cells_that_it_names(read) -> None:
    found = {str(cell): cell.min_accuracy for cell in read().cells if cell.threshold}
    assert found == {"smollm2-135m-1shot": 0.55}
    assert read().cells[0].min_accuracy == 0.0


def test_the_last_threshold_that_matches_holds(read) -> None:
    experiment = read(
        ("shots = [0, 1, 4]\n", "shots = [0, 1, 4]\n" + RULES),
        (
            '[[threshold]]\nmodel = "smollm2-135m"\nshots = 1\nmin_accuracy = 0.55\n',
            "[[threshold]]\nmin_accuracy = 0.1\n"
            "[[threshold]]\nshots = 1\nmin_accuracy = 0.2\n"
            '[[threshold]]\nmodel = "gemma3-270m"\nmin_accuracy = 1\n'
            '[[threshold]]\nshots = 4\ndecision_rule = "label_logprobs"\nmin_accuracy = 0\n',
        ),
    )
    assert {str(cell): cell.min_accuracy for cell in experiment.cells} == {
        "smollm2-135m-0shot": 0.1,
        "smollm2-135m-0shot-label_logprobs": 0.1,
        "smollm2-135m-1shot": 0.2,
        "smollm2-135m-1shot-label_logprobs": 0.2,
        "smollm2-135m-4shot": 0.1,
        "smollm2-135m-4shot-label_logprobs": 0.0,
        "gemma3-270m-0shot": 1.0,
        "gemma3-270m-0shot-label_logprobs": 1.0,
        "gemma3-270m-1shot": 1.0,
        "gemma3-270m-1shot-label_logprobs": 1.0,
        "gemma3-270m-4shot": 1.0,
        "gemma3-270m-4shot-label_logprobs": 0.0,
    }


SIZES = "shots = [1]\ntrain_sizes = [500, 300]\n"


def test_fine_tuned_cells_follow_a_models_prompted_ones_in_the_order_of_the_file(read) -> None:
    experiment = read(("shots = [0, 1, 4]\n", SIZES + RULES))
    assert ids(experiment)[:6] == [
        "smollm2-135m-1shot",
        "smollm2-135m-1shot-label_logprobs",
        "smollm2-135m-ft500",
        "smollm2-135m-ft500-label_logprobs",
        "smollm2-135m-ft300",
        "smollm2-135m-ft300-label_logprobs",
    ]
    assert len(set(ids(experiment))) == 12
    assert {(cell.train_size, cell.shots) for cell in experiment.fine_tuned_cells} == {
        (500, 0),
        (300, 0),
    }
    assert [cell.train_size for cell in experiment.prompted_cells] == [0] * 4


def test_the_decision_rules_of_a_fine_tuned_cell_share_a_jobs_cassette(read, tmp_path) -> None:
    experiment = read(("shots = [0, 1, 4]\n", SIZES + RULES))
    cells = [cell for cell in experiment.cells if cell.model == "smollm2-135m"][2:4]
    assert {cell.job for cell in cells} == {"smollm2-135m-ft500"}
    assert {cell.job_cassette for cell in cells} == {
        tmp_path / "cassettes" / "imdb" / "jobs" / "smollm2-135m-ft500.jsonl"
    }
    assert cells[0].cassette != cells[1].cassette != cells[0].job_cassette


def test_cells_are_skipped_by_their_training_size(read) -> None:
    skip = 'skip = [{ model = "gemma3-270m", train_size = 500, reason = "too large" }]\n'
    assert ids(read(("shots = [0, 1, 4]\n", SIZES + skip))) == [
        "smollm2-135m-1shot",
        "smollm2-135m-ft500",
        "smollm2-135m-ft300",
        "gemma3-270m-1shot",
        "gemma3-270m-ft300",
    ]


def test_prompted_cells_are_the_ones_without_training(read) -> None:
    skip = 'skip = [{ train_size = 0, reason = "only the fine-tuned ones" }]\n'
    experiment = read(("shots = [0, 1, 4]\n", SIZES + skip), ("shots = 1\n", ""))
    assert ids(experiment) == [
        f"{model}-ft{size}" for model in experiment.models for size in (500, 300)
    ]


def test_a_threshold_holds_for_a_training_size(read) -> None:
    end = "\n[[threshold]]\ntrain_size = 300\nmin_accuracy = 0.8\n"
    experiment = read(("shots = [0, 1, 4]\n", SIZES), end=end)
    assert {str(cell): cell.min_accuracy for cell in experiment.cells if cell.threshold} == {
        "smollm2-135m-1shot": 0.55,
        "smollm2-135m-ft300": 0.8,
        "gemma3-270m-ft300": 0.8,
    }


def test_a_number_of_shots_speaks_of_prompted_cells_alone(read) -> None:
    sizes = "shots = [0, 1]\ntrain_sizes = [300]\n"
    skip = 'skip = [{ model = "gemma3-270m", shots = 0, reason = "too slow" }]\n'
    end = "\n[[threshold]]\nshots = 0\nmin_accuracy = 0.1\n"
    experiment = read(("shots = [0, 1, 4]\n", sizes + skip), end=end)
    assert {str(cell): cell.min_accuracy for cell in experiment.cells} == {
        "smollm2-135m-0shot": 0.1,
        "smollm2-135m-1shot": 0.55,
        "smollm2-135m-ft300": 0.0,
        "gemma3-270m-1shot": 0.0,
        "gemma3-270m-ft300": 0.0,
    }


@pytest.mark.parametrize(
    ("line", "price"),
    [
        ("", None),
        ("prices = {}\n", None),
        ("prices = { training = 8 }\n", 8.0),
        ("prices = { training = 0 }\n", 0.0),
        ("[model.prices]\ntraining = 0.008\n", 0.008),
    ],
)
def test_a_model_may_have_a_price(read, line: str, price: float | None) -> None:
    last = 'name = "gemma3-270m"\nprovider = "local"\n'
    models = read((last, last + line)).models
    prices = models["gemma3-270m"].prices
    assert (prices.training if prices else None) == price
    assert models["smollm2-135m"].prices is None


def test_without_a_table_fine_tuning_is_the_articles_four_epochs(read) -> None:
    options = read().fine_tuning
    assert (options.n_epochs, options.batch_size, options.seed) == (4, None, 0)
    assert (options.learning_rate_multiplier, options.extra_body) == (None, {})


@pytest.mark.parametrize(
    ("folder", "cassettes"),
    [
        ("benchmarks/films", "cassettes/imdb"),
        ("benchmarks/group/films", "cassettes/imdb"),
        ("elsewhere", "elsewhere/cassettes/imdb"),
    ],
)
def test_cassettes_lie_beside_benchmarks_or_else_beside_the_file(
    tmp_path: Path, folder: str, cassettes: str
) -> None:
    path = tmp_path / folder / "experiment.toml"
    path.parent.mkdir(parents=True)
    path.write_text(EXAMPLE)
    cell = Experiment.beside(path.parent / "test_accuracy.py").cells[1]
    assert cell.cassette == tmp_path / cassettes / "smollm2-135m-1shot.jsonl"
    assert cell.cassette_name == "cassettes/imdb/smollm2-135m-1shot.jsonl"


def test_a_model_is_asked_by_its_id_where_it_has_one(read) -> None:
    experiment = read(('name = "gemma3-270m"\n', 'name = "gemma3-270m"\nid = "org/gemma"\n'))
    assert [model.provider_id for model in experiment.models.values()] == [
        "smollm2-135m",
        "org/gemma",
    ]


def test_reading_an_experiment_loads_no_data(read) -> None:
    assert read(('"imdb_reviews"', '"no such data"')).task.dataset == "no such data"


@pytest.mark.parametrize(
    ("marks", "folder", "cassettes"),
    [
        # A clone below a folder that happens to be called benchmarks.
        (["benchmarks/r/.git/"], "benchmarks/r/films", "benchmarks/r/films/cassettes/imdb"),
        (["benchmarks/r/.git/"], "benchmarks/r/benchmarks/films", "benchmarks/r/cassettes/imdb"),
        (["benchmarks/r/.git"], "benchmarks/r/films", "benchmarks/r/films/cassettes/imdb"),
        (["benchmarks/r/pyproject.toml"], "benchmarks/r/x", "benchmarks/r/x/cassettes/imdb"),
        # A repository that is called so itself: cassettes do not lie outside of it.
        (["benchmarks/.git/"], "benchmarks/films", "benchmarks/films/cassettes/imdb"),
        # Projects within a repository.
        ([".git/", "benchmarks/pyproject.toml"], "benchmarks/films", "cassettes/imdb"),
        (["pyproject.toml", "benchmarks/pyproject.toml"], "benchmarks/films", "cassettes/imdb"),
        ([".git/", "service/pyproject.toml"], "service/benchmarks/films", "service/cassettes/imdb"),
        ([".git/"], "benchmarks/films/../../other", "other/cassettes/imdb"),
    ],
)  # fmt: skip
def test_cassettes_are_not_looked_for_above_the_repository(
    tmp_path: Path, marks: list[str], folder: str, cassettes: str
) -> None:
    for mark in marks:
        path = tmp_path / mark
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if mark.endswith("/") else path.touch()
    for part in (tmp_path / folder, (tmp_path / folder).resolve()):
        part.mkdir(parents=True, exist_ok=True)
    assert read_example(tmp_path / folder).cassettes == tmp_path / cassettes
