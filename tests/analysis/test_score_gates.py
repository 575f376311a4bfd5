"""Gates on other scores than accuracy, as a user meets them."""

import json

import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from ..pets_project import edit

GATE = """
import pytest
from tunebench import Experiment

experiment = Experiment.beside(__file__)


@pytest.mark.parametrize("cell", experiment.cells, ids=str)
def test_gate(cell, gate):
    gate(cell)
"""
TEXT, LOGPROBS = "m-0shot", "m-0shot-label_logprobs"
# By the last digit of a pet's number: 1 and 3 are cats that are called dogs; 0 is not a label.
WRONG = {1: " dog", 3: " dog", 0: " bird"}


@pytest.fixture
def gated(pets):
    """Two cells; the answers are wrong as `WRONG` says, and all log-probabilities differ."""
    pets.write_table(rows=160)
    toml = pets.add(shots='[0]\ndecision_rules = ["text", "label_logprobs"]', test=None)
    edit(toml, "test_size = 10", "test_size = 24")
    (toml.parent / "test_gates.py").write_text(GATE)
    right = pets.answer

    def answer(asked):
        said = right(asked)
        for choice, prompt in zip(said.body.get("choices", ()), asked.prompts, strict=False):
            number = int(prompt.rpartition("number ")[2].split()[0])
            choice["text"] = WRONG.get(number % 10, choice["text"])
            if "logprobs" in asked.fields:
                p = -0.1 - (number * 37 % 60) / 20
                choice["logprobs"] = {
                    "tokens": [" cat"], "top_logprobs": [{" cat": p, " dog": -1.5}]
                }  # fmt: skip
        return said

    pets.loopback.answer = answer
    assert pets.record().ret == 0
    before = toml.read_text()

    def gate(table):
        toml.write_text(f"{before}\n[[threshold]]\n{table}\n")
        done = pets.run("--results", "out")
        (document,) = [pets.results()]
        cells = {cell["cell"]: cell for cell in document["cells"]}
        return done, cells, document["experiments"][0]

    return gate


def only(cell, name):
    """The one gate of a cell, which is called so."""
    (found,) = cell["gates"]
    assert found["gate"] == name
    assert found["sentence"].startswith(f"{cell['cell']}: ")
    return found


def truths_and_predictions(cell, about):
    return about["label_ids"], [-1 if one is None else one for one in cell["predictions"]]


def oracle(name, cell, about):
    truths, said = truths_and_predictions(cell, about)
    if name == "min_auc":
        return roc_auc_score(truths, [row[1] for row in cell["probabilities"]])
    if name == "min_macro_f1":
        return f1_score(truths, said, average="macro", labels=[0, 1], zero_division=0)
    # No label is a class of its own for scikit-learn, which no text has.
    with pytest.warns(UserWarning, match="classes not in y_true"):
        return balanced_accuracy_score(truths, said)


@pytest.mark.parametrize(
    ("name", "cell", "words"),
    [
        ("min_balanced_accuracy", TEXT, "balanced accuracy"),
        ("min_macro_f1", TEXT, "macro F1"),
        ("min_auc", LOGPROBS, "AUC"),
    ],
)
def test_a_score_is_judged_as_it_is(gated, name, cell, words):
    rule = "label_logprobs" if cell == LOGPROBS else "text"
    table = f'decision_rule = "{rule}"\n{name} = '
    _, cells, about = gated(f"{table}0.0")
    value = oracle(name, cells[cell], about)
    assert 0.3 < value < 0.99
    assert only(cells[cell], name)["value"] == pytest.approx(value)
    for limit, verdict in ((value - 0.001, "pass"), (value + 0.001, "fail")):
        done, cells, _ = gated(f"{table}{limit:.4f}")
        found = only(cells[cell], name)
        assert (found["verdict"], found["mode"]) == (verdict, "point")
        assert f"{words} {value:.3f} of 24 texts, " in found["sentence"]
        assert done.ret == (verdict == "fail")
        assert cells[cell]["verdict"] == verdict


def test_recall_and_precision_are_judged_by_label(gated):
    done, cells, about = gated(
        'decision_rule = "text"\nmin_recall = { cat = 0.9, dog = 0.5 }\n'
        "min_precision = { dog = 0.5, cat = 1 }"
    )
    truths, said = truths_and_predictions(cells[TEXT], about)
    pairs = list(zip(truths, said, strict=True))
    cats, dogs = truths.count(0), truths.count(1)
    right_cats, right_dogs = pairs.count((0, 0)), pairs.count((1, 1))
    assert right_cats < cats
    found = {gate["gate"]: (gate["value"], gate["verdict"]) for gate in cells[TEXT]["gates"]}
    assert found == {
        "min_recall.cat": (right_cats / cats, "fail"),
        "min_recall.dog": (right_dogs / dogs, "pass"),
        "min_precision.dog": (right_dogs / said.count(1), "pass"),
        "min_precision.cat": (1.0, "pass"),
    }
    sentence = f"recall of 'cat' {right_cats / cats:.3f}, {right_cats} of {cats} texts 'cat' right"
    assert any(sentence in line for line in done.outlines)
    assert done.ret == 1
    assert cells[TEXT]["verdict"] == "fail"


@pytest.mark.parametrize(
    ("limit", "verdict", "said"),
    [
        ("min_recall = { dog = 0.2 }", "pass", "the interval lies above min_recall.dog 0.2."),
        ("min_recall = { dog = 0.7 }", "inconclusive", "more texts 'dog' would settle it"),
        ("min_recall = { cat = 0.99 }", "fail", "the interval is below min_recall.cat 0.99."),
        ("min_precision = { cat = 0.95 }", "inconclusive", "more answers 'cat' would settle it"),
    ],
)
def test_an_interval_of_a_label_can_leave_it_open(gated, limit, verdict, said):
    done, cells, _ = gated(f'decision_rule = "text"\nmode = "confident"\n{limit}')
    (found,) = cells[TEXT]["gates"]
    assert (found["verdict"], found["mode"]) == (verdict, "confident")
    assert said in found["sentence"]
    assert done.parseoutcomes().get("inconclusive", 0) == (verdict == "inconclusive")


def test_a_later_table_replaces_the_limit_of_one_label_only(gated):
    _, cells, _ = gated(
        "min_recall = { cat = 0.9, dog = 0.1 }\n[[threshold]]\nmin_recall = { cat = 0.2 }"
    )
    limits = {gate["gate"]: gate["limit"] for gate in cells[TEXT]["gates"]}
    assert limits == {"min_recall.cat": 0.2, "min_recall.dog": 0.1}


def test_a_label_that_no_answer_has_is_not_precise(pets):
    toml = pets.add(test=None, more="\n[[threshold]]\nmin_precision = { cat = 0.1 }\n")
    (toml.parent / "test_gates.py").write_text(GATE)
    right = pets.answer

    def dogs(asked):
        said = right(asked)
        for choice in said.body.get("choices", ()):
            choice["text"] = " dog"
        return said

    pets.loopback.answer = dogs
    assert pets.record().ret == 1
    done = pets.run()
    said = "no answer is 'cat', so its precision counts as 0, for min_precision.cat 0.1."
    done.stdout.fnmatch_lines([f"m-0shot: {said}"])
    edit(toml, "min_precision", 'mode = "confident"\nmin_precision')
    assert pets.run().parseoutcomes() == {"inconclusive": 1}


def test_a_label_without_test_texts_has_no_recall(pets):
    pets.add(test=None)
    (pets.root / "benchmarks/pets/test_gates.py").write_text(GATE)
    toml = pets.root / "benchmarks/pets/experiment.toml"
    edit(toml, '["cat", "dog"]', '["cat", "dog", "hen"]')
    table = pets.root / "pets.csv"
    train = table.read_text() + "".join(f"my pet number {i} sleeps,hen\n" for i in range(3))
    (pets.root / "train.csv").write_text(train)
    rows = [f"my pet number {i} eats,{('dog', 'cat')[i % 2]}\n" for i in range(100, 120)]
    (pets.root / "test.csv").write_text("text,label\n" + "".join(rows))
    edit(toml, "../../pets.csv", "../../train.csv")
    edit(toml, "test_share = 0.4", 'test_dataset = "../../test.csv"')
    with toml.open("a") as file:
        file.write("\n[[threshold]]\nmin_recall = { hen = 0.5 }\n")
    done = pets.record("--results", "out")
    done.stdout.fnmatch_lines(
        ["m-0shot: no test text has the label 'hen', so its recall is not known; raise test_size*"]
    )
    assert done.ret == 1
    assert json.loads((pets.root / "out/results.json").read_text())["cells"][0]["accuracy"] == 1


def test_the_limits_of_labels_are_kept_with_the_recording(pets):
    toml = pets.add(more="\n[[threshold]]\nmin_recall = { cat = 0.5 }\n")
    assert pets.record().ret == 0
    edit(toml, "cat = 0.5", "cat = 0.6")
    assert pets.run("--results", "out").ret == 0
    (cell,) = pets.results()["cells"]
    assert cell["recorded_limits"] == {"min_recall.cat": 0.5}
    assert [gate["limit"] for gate in cell["gates"]] == [0.6]
