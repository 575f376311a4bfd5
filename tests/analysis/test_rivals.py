"""Rivals: from texts, and trained again with ``--rivals``."""

import subprocess
import sys
from dataclasses import replace

import pytest
import sklearn
import sklearn.feature_extraction.text
import sklearn.linear_model
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline

import tunebench.analysis.rivals
import tunebench.evaluation.training_inputs
from tunebench import Experiment, TunebenchError
from tunebench.analysis.rival_rows import trained_rivals
from tunebench.analysis.rivals import MAJORITY, RIVALS, TF_IDF, Predicted
from tunebench.analysis.rivals.logistic import GRID
from tunebench.evaluation.inputs import test_rows as rows_to_ask
from tunebench.evaluation.inputs import train_rows
from tunebench.statistics import wilson_interval

TEST = """
@pytest.mark.parametrize("cell", experiment.prompted_cells, ids=str)
def test_accuracy(cell, evaluate):
    assert evaluate(cell).accuracy >= cell.min_accuracy
"""

NAME = TF_IDF.name


@pytest.fixture
def recorded(two_rules, recordings):
    two_rules.write_test(TEST)
    two_rules.edit("shots = [0, 1]", "shots = [0]\ntrain_sizes = [40, 300]")
    recordings.record(two_rules, passed=4)
    return two_rules


def test_three_labels_are_learned():
    texts = [f"{word} {other}" for word in ("red", "green", "blue") for other in ("sea", "sky")]
    texts *= 3
    labels = [i // 2 % 3 for i in range(len(texts))]
    made = TF_IDF.predict(texts, labels, ["a blue hat", "red shoes", "green tea"])
    assert made.labels == [2, 0, 1]
    assert all(type(label) is int for label in made.labels)
    assert made.parameters["C"] in GRID


def test_without_five_rows_of_each_class_nothing_is_tuned():
    texts, labels = ["a fine film", "a dull film"] * 4, [1, 0] * 4
    assert TF_IDF.predict(texts, labels, ["fine"]) == Predicted([1], {"C": 1.0})


@pytest.mark.parametrize(
    ("texts", "labels", "said"),
    [
        (["a fine film", "a fine cast"], [1, 1], "one class only; name a larger size"),
        ([], [], "one class only; name a larger size"),
        (["good", "bad"], [1, 0], "no word .* is in two training texts"),
        (["!", "!"], [1, 0], "no word .* is in two training texts"),
    ],
)
def test_rows_that_teach_nothing_are_refused(texts, labels, said):
    with pytest.raises(TunebenchError, match=said):
        TF_IDF.predict(texts, labels, ["a film"])


def test_without_the_option_they_are_as_recorded_and_scikit_learn_stays_out(recorded):
    code = (
        "import sys, pytest\n"
        "status = pytest.main(['benchmarks', '-q', '--results', 'out'])\n"
        "print('status', int(status), 'heavy:', sorted({'sklearn', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=recorded.root, capture_output=True, text=True
    )
    assert "status 0 heavy: []" in done.stdout, done.stdout + done.stderr
    assert NAME in done.stdout
    assert len(recorded.results()["rivals"]) == 4


@pytest.mark.parametrize(
    ("labels", "most"), [([0, 1, 1, 2], 1), ([2, 2, 1, 1], 1), ([2], 2), ([0, 2, 2, 0, 1], 0)]
)
def test_the_majority_class_is_the_most_frequent_label_or_the_first_of_them(labels, most):
    made = MAJORITY.predict(["text"] * len(labels), labels, ["a", "b"])
    assert made == Predicted([most, most])


def test_rivals_have_names_of_their_own():
    assert len({rival.name for rival in RIVALS}) == len(RIVALS)


def test_rivals_follow_the_cells_and_are_what_scikit_learn_says(recorded, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    done = recorded.run("--rivals", "--results", "out", "-k", "one-0shot")
    done.assert_outcomes(passed=2, deselected=2)
    experiment = Experiment.read(recorded.toml)
    test, train = rows_to_ask(experiment), train_rows(experiment)
    written = recorded.results()["rivals"]
    assert [(row["train_size"], row["model"]) for row in written] == [
        (size, rival.name) for size in (40, 300) for rival in RIVALS
    ]
    for row in written[::2]:
        most = train["label"][: row["train_size"]].mode()[0]
        assert row["predictions"] == [most] * 45
        assert row["accuracy"] == (test["label"] == most).mean()
    rows = written[1::2]
    for row in rows:
        oracle = GridSearchCV(
            make_pipeline(
                sklearn.feature_extraction.text.TfidfVectorizer(
                    sublinear_tf=True, ngram_range=(1, 2), min_df=2
                ),
                sklearn.linear_model.LogisticRegression(max_iter=1000),
            ),
            {"logisticregression__C": GRID},
            cv=StratifiedKFold(5, shuffle=True, random_state=0),
        ).fit(train["text"][: row["train_size"]], train["label"][: row["train_size"]])
        predictions = oracle.predict(test["text"])
        correct = int((predictions == test["label"]).sum())
        low, high = wilson_interval(correct, 45)
        assert row == {
            "experiment": "small",
            "model": NAME,
            "train_size": row["train_size"],
            "n": 45,
            "correct": correct,
            "accuracy": correct / 45,
            "ci_low": low,
            "ci_high": high,
            "majority_rate": 27 / 45,
            "parameters": {"C": oracle.best_params_["logisticregression__C"]},
            "library": "scikit-learn",
            "versions": row["versions"],
            "predictions": predictions.tolist(),
        }
        assert row["versions"]["scikit-learn"] == sklearn.__version__
    assert len((recorded.root / "out" / "results.csv").read_text().splitlines()) == 3

    lines = done.stdout.lines
    start = next(i for i, line in enumerate(lines) if line.startswith("cell "))
    assert lines[start + 4].startswith(f"{NAME}, 40 rows  ")
    assert lines[start + 5].startswith("majority class, 300 rows  ")
    assert lines[start + 6].startswith(f"{NAME}, 300 rows  ")
    assert f"{rows[1]['accuracy']:.3f}" in lines[start + 6]
    assert "verdict" not in lines[start]  # there is no limit


def test_rivals_are_the_same_bytes_when_spread_over_processes(recorded):
    recorded.run("--rivals", "--results", "alone").assert_outcomes(passed=4)
    recorded.pytester.runpytest_subprocess(
        "benchmarks", "--rivals", "--results", "spread", "-n", "2", "-p", "xdist"
    ).assert_outcomes(passed=4)
    texts = {(recorded.root / d / "results.json").read_bytes() for d in ("alone", "spread")}
    assert len(texts) == 1


def test_an_experiment_of_which_no_cell_was_evaluated_has_none(recorded):
    for path in (recorded.root / "cassettes" / "small").glob("*.jsonl"):
        path.unlink()
    done = recorded.run("--rivals", "--results", "out")
    done.assert_outcomes(failed=4)
    assert recorded.results()["rivals"] == []
    done.stdout.no_fnmatch_line(f"*{NAME}*")


def test_repeated_training_rows_count_once_as_in_fine_tuning(recorded, monkeypatch):
    seen = []
    train = train_rows(Experiment.read(recorded.toml))
    train = train.iloc[[*range(30), *range(10)]].reset_index(drop=True)
    monkeypatch.setattr(tunebench.evaluation.training_inputs, "train_rows", lambda _: train)

    def predict(texts, labels, asked):
        seen.append(len(texts))
        return Predicted([0] * len(asked))

    monkeypatch.setattr(tunebench.analysis.rivals, "RIVALS", [replace(TF_IDF, predict=predict)])
    made = trained_rivals([str(recorded.toml)])
    assert seen == [30]
    assert [(row["train_size"], row["correct"]) for _, row in made.rows] == [(40, 27)]
    assert [c for c in made.complaints if "300 is more than the 40 training rows" in c]


@pytest.mark.parametrize(
    ("sizes", "said", "made"),
    [
        (
            "[1, 300]",
            f"{NAME} on 1 rows: the training rows have one class only; name a larger size.",
            [1, 300, 300],
        ),
        (
            "[300, 2001]",
            "[[]matrix[]] train_sizes: 2001 is more than the 2000 training rows of *",
            [300, 300],
        ),
    ],
)
def test_one_that_cannot_be_made_is_a_sentence_and_fails_the_run(recorded, sizes, said, made):
    recorded.edit("train_sizes = [40, 300]", f"train_sizes = {sizes}")
    done = recorded.run("--rivals", "--results", "out")
    done.assert_outcomes(passed=4)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines([f"*experiment.toml: {said}"])
    assert len([line for line in done.outlines if "experiment.toml: " in line]) == 1
    assert [row["train_size"] for row in recorded.results()["rivals"]] == made


def test_a_matrix_without_training_sizes_is_said(recorded):
    recorded.edit("train_sizes = [40, 300]", "")
    done = recorded.run("--rivals")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["*experiment.toml: --rivals trains on *[[]matrix[]] train_sizes*"])


def test_without_scikit_learn_the_option_is_refused_with_the_extras_name(two_rules):
    two_rules.write_test("def test_nothing(): pass\n")
    hide = (
        "import importlib.util, sys\n"
        "find = importlib.util.find_spec\n"
        "hidden = lambda name, *rest: None if name == 'sklearn' else find(name, *rest)\n"
        "importlib.util.find_spec = hidden\n"
        "import pytest\n"
        "sys.exit(pytest.main(['benchmarks', '--rivals']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", hide], cwd=two_rules.root, capture_output=True, text=True
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout + done.stderr
    assert "--rivals needs scikit-learn" in done.stderr
    assert "pip install 'tunebench[rivals]'" in done.stderr
