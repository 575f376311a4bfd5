from collections.abc import Callable
from pathlib import Path

import pytest

from harness import Experiment, TunebenchError

EXAMPLE = """\
[task]
name = "imdb"
dataset = "imdb_reviews"            # or "tfds:<name>", or a path to .csv/.jsonl/.parquet
labels = ["Negative", "Positive"]   # order = label ids 0, 1
instruction = "Classify following sentence as Positive or Negative"
test_size = 100

[provider.local]
base_url = "http://127.0.0.1:8017/v1"
endpoint = "completions"

[[model]]
name = "smollm2-135m"
provider = "local"

[[model]]
name = "gemma3-270m"
provider = "local"

[matrix]
shots = [0, 1, 4]

[[threshold]]
model = "smollm2-135m"
shots = 1
min_accuracy = 0.55
"""

RULES = 'decision_rules = ["text", "label_logprobs"]\n'


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Experiment]:
    """Read the example after replacing parts of it and adding to its end."""

    def read(*changes: tuple[str, str], end: str = "") -> Experiment:
        text = EXAMPLE
        for old, new in changes:
            assert text.count(old) >= 1
            text = text.replace(old, new)
        path = tmp_path / "experiment.toml"
        path.write_text(text + end, encoding="utf-8")
        return Experiment.read(path)

    return read


@pytest.fixture
def refused(read, tmp_path: Path) -> Callable[..., str]:
    """What is said of the changed example, after the file's name."""

    def refused(*changes: tuple[str, str], end: str = "") -> str:
        with pytest.raises(TunebenchError) as raised:
            read(*changes, end=end)
        sentence = str(raised.value)
        assert sentence.startswith(f"{tmp_path / 'experiment.toml'}: ")
        assert "\n" not in sentence
        return sentence.removeprefix(f"{tmp_path / 'experiment.toml'}: ")

    return refused


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


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(TunebenchError) as raised:
        Experiment.beside(tmp_path / "test_accuracy.py")
    assert str(raised.value) == (
        f"{tmp_path / 'experiment.toml'}: there is no such experiment file; write one, or mend "
        "the path."
    )


def test_broken_toml_is_named_by_its_line(refused) -> None:
    sentence = refused(("test_size = 100", "test_size = "))
    assert sentence.startswith("this is not TOML (")
    assert "line 6" in sentence


def test_a_file_that_is_no_text_is_no_toml(tmp_path: Path) -> None:
    path = tmp_path / "experiment.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(TunebenchError, match="this is not TOML"):
        Experiment.read(path)


SKIP = 'shots = [0, 1, 4]\nskip = [{ model = "gemma3-270m", shots = 4, reason = "slow" }]\n'


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        # unknown keys, with the nearest known one
        ("test_size", "tests_size", "[task] tests_size is not known here; did you mean "
         "'test_size'?"),
        ("base_url", "baseurl", "[provider.local] baseurl is not known here; did you mean "
         "'base_url'?"),
        ('name = "gemma3-270m"', 'name = "gemma3-270m"\nids = "x"', "[[model]] 2: ids is not "
         "known here; did you mean 'id'?"),
        ("shots = [0, 1, 4]", "shot = [0]", "[matrix] shot is not known here; did you mean "
         "'shots'?"),
        ("min_accuracy = 0.55", "min_accuracy = 0.55\nmax_accuracy = 1", "[[threshold]] 1: "
         "max_accuracy is not known here; did you mean 'min_accuracy'?"),
        ("shots = [0, 1, 4]\n", SKIP.replace("reason", "reasons"), None),
        ("shots = [0, 1, 4]\n", SKIP.replace("shots = 4", "shots = 4, train_sizes = 3"),
         "[matrix] skip.1.train_sizes is not known here; did you mean 'train_size'?"),
        ("[[threshold]]", "[[thresholds]]", "[thresholds] is not known here; did you mean "
         "'threshold'?"),
        ("shots = [0, 1, 4]", "zzz = 1", "[matrix] zzz is not known here; known are shots, "
         "decision_rules, skip."),
        # names that nothing has
        ('provider = "local"', 'provider = "lokal"', "[[model]] 1: there is no provider 'lokal'; "
         "did you mean 'local'?"),
        ('provider = "local"', 'provider = "openai"', "[[model]] 1: there is no provider "
         "'openai'; known: local."),
        ('model = "smollm2-135m"', 'model = "smollm-135m"', "[[threshold]] 1: there is no model "
         "'smollm-135m'; did you mean 'smollm2-135m'?"),
        ("shots = [0, 1, 4]\n", SKIP.replace("gemma3", "gemma4"), "[matrix] skip 1: there is no "
         "model 'gemma4-270m'; did you mean 'gemma3-270m'?"),
        ("shots = [0, 1, 4]", 'decision_rules = ["texts"]', "[matrix] decision_rules.1: input "
         "should be 'text' or 'label_logprobs' (given: 'texts'); mend it."),
        ('endpoint = "completions"', 'endpoint = "embeddings"', "[provider.local] endpoint: input "
         "should be 'completions' (given: 'embeddings'); mend it."),
        # values out of range
        ("[0, 1, 4]", "[0, -1]", "[matrix] shots.2: input should be greater than or equal to 0 "
         "(given: -1); mend it."),
        ("[0, 1, 4]", "[0.5]", "[matrix] shots.1: input should be a valid integer (given: 0.5); "
         "mend it."),
        ("test_size = 100", "test_size = 0", "[task] test_size: input should be greater than or "
         "equal to 1 (given: 0); mend it."),
        ("test_size = 100", 'test_size = "100"', "[task] test_size: input should be a valid "
         "integer (given: '100'); mend it."),
        ("min_accuracy = 0.55", "min_accuracy = 1.01", "[[threshold]] 1: min_accuracy: input "
         "should be less than or equal to 1 (given: 1.01); mend it."),
        ("min_accuracy = 0.55", "min_accuracy = -0.01", "[[threshold]] 1: min_accuracy: input "
         "should be greater than or equal to 0 (given: -0.01); mend it."),
        ("min_accuracy = 0.55", "min_accuracy = nan", None),
        ("http://127.0.0.1:8017/v1", "127.0.0.1:8017", "[provider.local] base_url: string should "
         "match pattern '^https?://[^/?#]+(/[^?#]*)?$' (given: '127.0.0.1:8017'); mend it."),
        ('name = "imdb"', 'name = "../imdb"', "[task] name: string should match pattern "
         "'^[A-Za-z0-9][A-Za-z0-9._-]*$' (given: '../imdb'); mend it."),
        # cells that are not in the matrix
        ("shots = 1\n", "shots = 2\n", "[[threshold]] 1: no cell of the matrix has model = "
         "'smollm2-135m', shots = 2; mend it, or add that cell to [matrix]."),
        ("shots = 1\n", "train_size = 300\n", "[[threshold]] 1: no cell of the matrix has model = "
         "'smollm2-135m', train_size = 300; mend it, or add that cell to [matrix]."),
        ("shots = 1\n", 'decision_rule = "label_logprobs"\n', "[[threshold]] 1: no cell of the "
         "matrix has model = 'smollm2-135m', decision_rule = 'label_logprobs'; mend it, or add "
         "that cell to [matrix]."),
        ("shots = [0, 1, 4]\n", SKIP.replace("shots = 4", "shots = 5"), "[matrix] skip 1: no cell "
         "of the matrix has model = 'gemma3-270m', shots = 5; mend it, or add that cell to "
         "[matrix]."),
        ("shots = [0, 1, 4]\n", 'shots = [0, 1, 4]\nskip = [{ reason = "none left" }]\n',
         "[matrix] skips every cell; leave one."),
        # twice
        ('name = "gemma3-270m"', 'name = "smollm2-135m"', "[[model]] 2: the name 'smollm2-135m' "
         "is used twice; rename one."),
        ("[0, 1, 4]", "[0, 1, 0]", "[matrix] shots lists a value twice; list each once."),
        ("shots = [0, 1, 4]", 'shots = [1]\ndecision_rules = ["text", "text"]', "[matrix] "
         "decision_rules lists a value twice; list each once."),
        # labels, and what goes with them
        ('["Negative", "Positive"]', '["Negative"]', "[task] a task needs two labels or more, not "
         "1: list them all."),
        ('["Negative", "Positive"]', '["Negative", "Negative"]', "[task] the label 'Negative' is "
         "listed twice: list each once."),
        ('["Negative", "Positive"]', '["Negative", " Positive"]', "[task] the label ' Positive' "
         "cannot be used: a label is not empty, has no white space around it, no line break, no "
         "tab and no '->' in it."),
        ('"Classify following sentence as Positive or Negative"', '"a\\n#####"', "[task] the "
         "instruction holds a line '#####', which sets the parts of a prompt apart: take it out."),
        ('name = "gemma3-270m"', 'name = "gemma3-270m"\nlabel_token_ids = [1]', "[[model]] 2: "
         "label_token_ids has 1 ids for 2 labels; give one id a label."),
        # missing
        ('dataset = "imdb_reviews"', "", "[task] dataset is missing; add it."),
        ("[0, 1, 4]", "[]", None),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_a_sentence_with_its_place(
    refused, old: str, new: str, sentence: str | None
) -> None:
    said = refused((old, new))
    assert said.endswith((".", "?"))
    if sentence is not None:
        assert said == sentence


@pytest.mark.parametrize(
    ("start", "end", "sentence"),
    [
        ("[task]", "[provider", "[task] is missing; add it."),
        ("[provider", "[[model]]", "[provider] is missing; add it."),
        ("[[model]]", "[matrix]", "[model] is missing; add it."),
    ],
)
def test_a_missing_table_is_named(refused, start: str, end: str, sentence: str) -> None:
    table = EXAMPLE[EXAMPLE.index(start) : EXAMPLE.index(end)]
    assert refused((table, "")) == sentence


def test_reading_an_experiment_loads_no_data(read) -> None:
    assert read(('"imdb_reviews"', '"no such data"')).task.dataset == "no such data"
