"""The errors of mistakes in an experiment file."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tunebench import Experiment, TunebenchError
from tunebench.experiment.models import EmbeddingRival, FineTunedModel, FineTuning, Model, Provider
from tunebench.experiment.schema import AnswerRule, Calibration, Matrix, Task, Threshold

from ..experiment_example import EXAMPLE, read_example


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., str]:
    """The error of the changed example, without the file's name."""

    def refused(*changes: tuple[str, str], end: str = "") -> str:
        with pytest.raises(TunebenchError) as raised:
            read_example(tmp_path, *changes, end=end)
        sentence = str(raised.value)
        assert sentence.startswith(f"{tmp_path / 'experiment.toml'}: ")
        assert "\n" not in sentence
        return sentence.removeprefix(f"{tmp_path / 'experiment.toml'}: ")

    return refused


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(TunebenchError) as raised:
        Experiment.beside(tmp_path / "test_accuracy.py")
    assert str(raised.value) == (
        f"{tmp_path / 'experiment.toml'}: there is no such experiment file; write one, or fix "
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
        ("test_size", "tests_size",
         "[task]: unknown key 'tests_size'; did you mean 'test_size'?"),
        ("base_url", "baseurl",
         "[provider.local]: unknown key 'baseurl'; did you mean 'base_url'?"),
        ('name = "gemma3-270m"', 'name = "gemma3-270m"\nids = "x"',
         "[[model]] 2: unknown key 'ids'; did you mean 'id'?"),
        ("shots = [0, 1, 4]", "shot = [0]",
         "[matrix]: unknown key 'shot'; did you mean 'shots'?"),
        ("min_accuracy = 0.55", "min_accuracy = 0.55\nmax_accuracy = 1",
         "[[threshold]] 1: unknown key 'max_accuracy'; did you mean 'min_accuracy'?"),
        ("shots = [0, 1, 4]\n", SKIP.replace("reason", "reasons"), None),
        ("shots = [0, 1, 4]\n", SKIP.replace("shots = 4", "shots = 4, train_sizes = 3"),
         "[matrix] skip 1: unknown key 'train_sizes'; did you mean 'train_size'?"),
        ("[[threshold]]", "[[thresholds]]",
         "unknown table [thresholds]; did you mean 'threshold'?"),
        ("shots = [0, 1, 4]", "zzz = 1",
         "[matrix]: unknown key 'zzz'; known are shots, train_sizes, decision_rules, instructions, "
         "example_draws, skip."),
        # names that nothing has
        ('provider = "local"', 'provider = "lokal"', "[[model]] 1: there is no provider 'lokal'; "
         "did you mean 'local'?"),
        ('provider = "local"', 'provider = "openai"', "[[model]] 1: there is no provider "
         "'openai'; known are local."),
        ('model = "smollm2-135m"', 'model = "smollm-135m"', "[[threshold]] 1: there is no model "
         "'smollm-135m'; did you mean 'smollm2-135m'?"),
        ("shots = [0, 1, 4]\n", SKIP.replace("gemma3", "gemma4"), "[matrix] skip 1: there is no "
         "model 'gemma4-270m'; did you mean 'gemma3-270m'?"),
        ("shots = [0, 1, 4]", 'decision_rules = ["texts"]',
         "[matrix] decision_rules 1: must be 'text', 'label_logprobs' or 'calibrated', not "
         "'texts'."),
        ('endpoint = "completions"', 'endpoint = "embeddings"',
         "[provider.local] endpoint: must be 'completions' or 'chat', not 'embeddings'."),
        ('endpoint = "completions"', 'max_tokens_field = "max_completion_tokens"',
         "[provider.local]: max_tokens_field is only for the endpoint chat; remove it, or set "
         'endpoint = "chat".'),
        ("test_size = 100", 'test_size = 100\nreading = ["loosely"]',
         "[task] reading 1: must be 'exact', 'casefolded', 'json' or 'mentioned', not "
         "'loosely'."),
        ("test_size = 100", "test_size = 100\nreading = []",
         "[task] reading: must have 1 entry or more."),
        ('name = "gemma3-270m"', 'name = "gemma3-270m"\nparameters = { n = 2, stream = true }',
         "[[model]] 2: parameters: cannot set n, stream, because answers would then be read "
         "wrongly."),
        # values out of range
        ("[0, 1, 4]", "[0, -1]", "[matrix] shots 2: must be at least 0, not -1."),
        ("[0, 1, 4]", "[0.5]", "[matrix] shots 1: must be a whole number, not 0.5."),
        ("[0, 1, 4]", "[1]\ntrain_sizes = [0]",
         "[matrix] train_sizes 1: must be at least 1, not 0."),
        ('name = "gemma3-270m"', 'name = "gemma3-270m"\nprices = { training = -1 }',
         "[[model]] 2: prices.training: must be at least 0, not -1."),
        ('name = "gemma3-270m"', 'name = "gemma3-270m"\nprices = { training = inf }',
         "[[model]] 2: prices.training: must be a finite number, not inf."),
        ('name = "gemma3-270m"', 'name = "gemma3-270m"\nprices = { trainings = 1 }',
         "[[model]] 2: prices: unknown key 'trainings'; did you mean 'training'?"),
        ("[matrix]", "[fine_tuning]\nbatchsize = 4\n[matrix]",
         "[fine_tuning]: unknown key 'batchsize'; did you mean 'batch_size'?"),
        ("[matrix]", "[fine_tuning]\nn_epochs = 101\n[matrix]",
         "[fine_tuning] n_epochs: must be at most 100, not 101."),
        ("test_size = 100", "test_size = 0", "[task] test_size: must be at least 1, not 0."),
        ("test_size = 100", 'test_size = "100"',
         "[task] test_size: must be a whole number, not '100'."),
        ("min_accuracy = 0.55", "min_accuracy = 1.01",
         "[[threshold]] 1: min_accuracy: must be at most 1, not 1.01."),
        ("min_accuracy = 0.55", "min_accuracy = -0.01",
         "[[threshold]] 1: min_accuracy: must be at least 0, not -0.01."),
        ("min_accuracy = 0.55", "min_accuracy = nan", None),
        ("http://127.0.0.1:8017/v1", "127.0.0.1:8017",
         "[provider.local] base_url: must be a URL such as http://127.0.0.1:8017/v1, not "
         "'127.0.0.1:8017'."),
        ('name = "imdb"', 'name = "../imdb"',
         "[task] name: must consist of letters, digits, '.', '_' and '-', the first a letter "
         "or digit, not '../imdb'."),
        ("min_accuracy = 0.55", 'min_macro_f1 = "high"',
         "[[threshold]] 1: min_macro_f1: must be a number, not 'high'."),
        ("min_accuracy = 0.55", 'min_accuracy = "0.55"',
         "[[threshold]] 1: min_accuracy: must be a number, not '0.55'."),
        ("min_accuracy = 0.55", "min_accuracy = true",
         "[[threshold]] 1: min_accuracy: must be a number, not true."),
        ("min_accuracy = 0.55", "min_recall = { Positive = '1' }",
         "[[threshold]] 1: min_recall.Positive: must be a number, not '1'."),
        ("shots = [0, 1, 4]", 'instructions = { "so short" = "Say it" }',
         "[matrix] instructions.so short: must consist of letters, digits and '_', the first a "
         "letter, not 'so short'."),
        ("[provider.local]", '[provider."my own"]',
         "[provider.my own]: must consist of letters, digits, '.', '_' and '-', the first a letter "
         "or digit, not 'my own'."),
        # cells that are not in the matrix
        ("shots = 1\n", "shots = 2\n", "[[threshold]] 1: no cell of the matrix has model = "
         "'smollm2-135m', shots = 2; fix it, or add that cell to [matrix]."),
        ("shots = 1\n", "train_size = 300\n", "[[threshold]] 1: no cell of the matrix has model = "
         "'smollm2-135m', train_size = 300; fix it, or add that cell to [matrix]."),
        ("shots = 1\n", 'decision_rule = "label_logprobs"\n', "[[threshold]] 1: no cell of the "
         "matrix has model = 'smollm2-135m', decision_rule = 'label_logprobs'; fix it, or add "
         "that cell to [matrix]."),
        ("shots = [0, 1, 4]\n", SKIP.replace("shots = 4", "shots = 5"), "[matrix] skip 1: no cell "
         "of the matrix has model = 'gemma3-270m', shots = 5; fix it, or add that cell to "
         "[matrix]."),
        ("shots = [0, 1, 4]\n", 'shots = [0, 1, 4]\nskip = [{ reason = "none left" }]\n',
         "[matrix]: every cell is skipped; leave one."),
        # twice
        ('name = "gemma3-270m"', 'name = "smollm2-135m"', "[[model]] 2: the name 'smollm2-135m' "
         "is used twice; rename one."),
        ("[0, 1, 4]", "[0, 1, 0]", "[matrix] shots: a value is listed twice; list each once."),
        ("shots = [0, 1, 4]", "shots = [1]\ntrain_sizes = [300, 500, 300]",
         "[matrix] train_sizes: a value is listed twice; list each once."),
        ("shots = [0, 1, 4]", 'shots = [1]\ndecision_rules = ["text", "text"]',
         "[matrix] decision_rules: a value is listed twice; list each once."),
        # labels, and what goes with them
        ('["Negative", "Positive"]', '["Negative"]',
         "[task]: a task needs two labels or more, not 1; list them all."),
        ('["Negative", "Positive"]', '["Negative", "Negative"]',
         "[task]: the label 'Negative' is listed twice; list each once."),
        ('["Negative", "Positive"]', '["Negative", " Positive"]',
         "[task]: the label ' Positive' cannot be used; a label is not empty, has no white "
         "space around it, no line break, no tab and no '->' in it."),
        ('["Negative", "Positive"]', '["Positive", "Posi\\u00adtive"]',
         "[task]: the labels 'Positive' and 'Posi\\xadtive' differ only by case, spaces, invisible "
         "characters or how a letter is encoded; rename one of them."),
        ('"Classify following sentence as Positive or Negative"', '"a\\n#####"',
         "[task]: the instruction holds a line '#####', which separates parts of a prompt; "
         "take it out."),
        ('name = "gemma3-270m"', 'name = "gemma3-270m"\nlabel_token_ids = [1]',
         "[[model]] 2: label_token_ids has 1 ids for 2 labels; give one id for each label."),
        # missing
        ('dataset = "imdb_reviews"', "", "[task]: the key 'dataset' is missing; add it."),
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


WRONG = ["'high'", "''", "true", "-1", "0.5", "inf", "nan", "[]", "['x y']", "[[]]", "[true]", "{}",
         "{ 'x y' = 'z' }", "{ a = [] }", "2026-11-26"]  # fmt: skip
TABLES = {
    "[task]": Task, "[provider.local]": Provider, "[[model]]": Model, "[matrix]": Matrix,
    "[[threshold]]": Threshold, "[fine_tuning]": FineTuning, "[[fine_tuned]]": FineTunedModel,
    "[calibration]": Calibration, "[answer]": AnswerRule, "[[rival]]": EmbeddingRival,
}  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
def test_no_key_of_a_table_is_refused_in_the_words_of_the_validator(tmp_path, table: str) -> None:
    path = tmp_path / "experiment.toml"
    before, _, after = EXAMPLE.partition(f"{table}\n")
    said = []
    for key in TABLES[table].model_fields:
        kept = re.sub(rf"^{key} = .*\n", "", after, count=1, flags=re.MULTILINE)
        for value in WRONG:
            path.write_text("".join([before, table, f"\n{key} = {value}\n", kept]))
            try:
                Experiment.read(path)
            except TunebenchError as error:
                said.append(str(error))
    assert len(said) > 10
    assert not [sentence for sentence in said if "should" in sentence]


PIN = 'model = "smollm2-135m"\ntrain_size = 300\nid = "ft:x"\n'


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[[threshold]]", "[threshold]", "[threshold]: must be a list of tables; write "
         "[[threshold]]."),
        ("[matrix]", f"[fine_tuned]\n{PIN}[matrix]", "[fine_tuned]: must be a list of tables; "
         "write [[fine_tuned]]."),
        ("[matrix]", "[rival]\nname = 'e'\n[matrix]", "[rival]: must be a list of tables; write "
         "[[rival]]."),
        ("shots = [0, 1, 4]\n", SKIP.replace("[{", "{").replace("}]", "}"), "[matrix] skip: must "
         "be a list of tables; write [[matrix.skip]]."),
        ("shots = [0, 1, 4]\n", "[matrix.skip]\nshots = 0\n", "[matrix] skip: must be a list of "
         "tables; write [[matrix.skip]]."),
        ("[0, 1, 4]", "{ a = 1 }", "[matrix] shots: must be a list."),
        # the other way round
        ("[task]", "[[task]]", "[task]: must be a table; write [task], once."),
        ("[matrix]", "[[matrix]]", "[matrix]: must be a table; write [matrix], once."),
        ("[provider.local]", "[[provider.local]]", "[provider.local]: must be a table; write "
         "[provider.local], once."),
        ("[provider.local]", "[[provider]]", "[provider]: must be a table; write [provider.NAME] "
         "with a name of yours."),
        ("[provider.local]", "[provider]", "[provider.base_url]: must be a table, not "
         "'http://127.0.0.1:8017/v1'; write [provider.NAME] with a name of yours."),
    ],
)  # fmt: skip
def test_a_table_in_the_wrong_brackets_is_shown_the_right_ones(refused, old, new, sentence) -> None:
    assert refused((old, new)) == sentence


@pytest.mark.parametrize("second", ["[threshold]", "[[threshold]]"])
def test_a_list_of_tables_in_single_brackets_is_shown_the_double_ones(refused, second) -> None:
    end = f"{second}\nshots = 0\nmin_accuracy = 0.1\n"
    sentence = refused(("[[threshold]]", "[threshold]"), end=end)
    assert sentence.startswith("this is not TOML (")
    assert sentence.endswith("; write [[threshold]] for each.")


@pytest.mark.parametrize(
    ("start", "end", "sentence"),
    [
        ("[task]", "[provider", "the table [task] is missing; add it."),
        ("[provider", "[[model]]", "the table [provider] is missing; add it."),
        ("[[model]]", "[matrix]", "the table [[model]] is missing; add it."),
    ],
)
def test_a_missing_table_is_named(refused, start: str, end: str, sentence: str) -> None:
    table = EXAMPLE[EXAMPLE.index(start) : EXAMPLE.index(end)]
    assert refused((table, "")) == sentence
