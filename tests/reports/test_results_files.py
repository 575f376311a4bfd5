"""Every number of ``results.json``, made again from its lists by other libraries alone."""

import csv
import hashlib
import json
import math

import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.stats
import sklearn.metrics
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

TEST = """
@pytest.mark.parametrize("cell", experiment.cells, ids=str)
def test_gate(cell, gate):
    gate(cell)

@pytest.mark.parametrize("cell", experiment.fine_tuned_cells, ids=str)
def test_uplift(cell, compare):
    compare(cell, cell.prompted(shots=0))
    compare(cell, cell.prompted(shots=0, decision_rule="label_logprobs"))
"""


@pytest.fixture
def project(two_rules, jobs, recordings):
    """Prompted and fine-tuned cells whose answers differ from text to text."""
    two_rules.edit("shots = [0, 1]", "shots = [0]\ntrain_sizes = [40, 300]\nskip = [\n"
                   '{ model = "two", train_size = 300, reason = "as an example" }]')  # fmt: skip
    with two_rules.toml.open("a") as file:
        file.write('[[threshold]]\nmin_accuracy = 0.3\nmode = "confident"\n')
    two_rules.write_test(TEST)
    complete = jobs.complete

    def varied(asked):
        said = complete(asked)
        model = asked.fields.get("model", "")
        for i, choice in enumerate(said.body.get("choices", ())):
            seed = f"{model} {asked.prompts[i]} {'logprobs' in asked.fields}"
            luck = hashlib.sha256(seed.encode()).digest()[0] % 10
            choice["text"] = [" Nega", " Posi", " Well"][luck % 3]
            if "logprobs" in asked.fields:
                top = {" Negative": -0.1 - luck / 3, " Positive": -0.2 * luck - 0.01}
                choice["logprobs"] = {"tokens": [" x"], "top_logprobs": [top]}
        return said

    jobs.complete = varied
    two_rules.loopback.answer = jobs.answer
    recordings.record(two_rules, "--results", "out", "--rivals")
    two_rules.document = two_rules.results()
    return two_rules


def frames(project):
    """Label ids and predictions (-1 for none) of each cell."""
    (about,) = project.document["experiments"]
    labels = np.array(about["label_ids"])
    for cell in project.document["cells"]:
        read = np.array([-1 if p is None else p for p in cell["predictions"]])
        yield cell, labels, read


def near(value):
    return pytest.approx(value, abs=1e-9, nan_ok=False)


def test_every_number_follows_from_the_answers(project):
    document = project.document
    assert document["version"] == 3
    (about,) = document["experiments"]
    assert len(about["items"]) == len(about["label_ids"]) == about["n"] == 45
    assert about["majority_rate"] == max(np.bincount(about["label_ids"])) / 45
    assert about["train_sizes"] == [40, 300]
    assert [(s["model"], s["train_size"], s["reason"]) for s in about["skipped"]] == [
        ("two", 300, "as an example")
    ] * 2
    assert len(document["cells"]) == 10
    for cell, labels, read in frames(project):
        _check_cell(cell, labels, read)
    _check_uplifts(document, {cell["cell"]: (y, read) for cell, y, read in frames(project)})
    assert len(document["rivals"]) == 4
    for rival in document["rivals"]:
        right = np.array(rival["predictions"]) == np.array(about["label_ids"])
        assert (rival["correct"], rival["accuracy"]) == (right.sum(), near(right.mean()))


def _check_cell(cell, labels, read):
    n, right = len(labels), int((labels == read).sum())
    assert (cell["n"], cell["correct"], cell["unread"]) == (n, right, int((read == -1).sum()))
    assert cell["accuracy"] == near(right / n)
    interval = proportion_confint(right, n, method="wilson")
    assert (cell["ci_low"], cell["ci_high"]) == tuple(map(near, interval))
    exact = scipy.stats.binomtest(right, n).proportion_ci(method="exact")
    assert (cell["exact_low"], cell["exact_high"]) == (near(exact.low), near(exact.high))
    whole = sklearn.metrics.confusion_matrix(labels, read, labels=[0, 1, -1])
    assert cell["confusion"] == whole[:2].tolist()
    recalls = sklearn.metrics.recall_score(labels, read, labels=[0, 1], average="macro")
    assert cell["balanced_accuracy"] == near(recalls)
    f1 = sklearn.metrics.f1_score(labels, read, labels=[0, 1], average="macro", zero_division=0)
    assert cell["macro_f1"] == near(f1)
    assert cell["matthews"] == near(sklearn.metrics.matthews_corrcoef(labels, read))
    if cell["decision_rule"] == "text":
        assert cell["probabilities"] is cell["brier"] is cell["calibration_error"] is None
    else:
        p = np.array(cell["probabilities"])
        assert p.argmax(axis=1).tolist() == read.tolist()
        assert cell["brier"] == near(2 * sklearn.metrics.brier_score_loss(labels, p[:, 1]))
        confidence, hit = p.max(axis=1), p.argmax(axis=1) == labels
        bins = np.digitize(confidence, np.arange(1, 10) / 10, right=True)
        gaps = [abs((confidence - hit)[bins == b].sum()) for b in range(10)]
        assert cell["calibration_error"] == near(sum(gaps) / n)
    (gate,) = cell["gates"]
    low, high = interval
    expected = "pass" if low >= 0.3 else "fail" if high < 0.3 else "inconclusive"
    assert cell["verdict"] == gate["verdict"] == expected
    assert (gate["value"], gate["limit"], gate["mode"]) == (cell["accuracy"], 0.3, "confident")


def _check_uplifts(document, answers):
    assert len(document["uplifts"]) == 12
    for row in document["uplifts"]:
        labels, first = answers[row["cell"]]
        _, other = answers[row["over"]]
        right, other_right = first == labels, other == labels
        gained, lost = int((right & ~other_right).sum()), int((other_right & ~right).sum())
        assert (row["only_first"], row["only_other"], row["n"]) == (gained, lost, 45)
        assert row["difference"] == near(right.mean() - other_right.mean())
        exact = mcnemar([[0, gained], [lost, 0]], exact=True).pvalue
        assert row["exact_p"] == near(exact)
        point = scipy.stats.binom.pmf(min(gained, lost), gained + lost, 0.5)
        tail = 2 * scipy.stats.binom.cdf(min(gained, lost), gained + lost, 0.5)
        mid_p = 1 - point / 2 if gained == lost else tail - point
        assert row["p"] == near(mid_p if gained + lost else 1)
        difference = right.astype(int) - other_right
        drawn = scipy.stats.bootstrap(
            (difference,), np.mean, n_resamples=5000, method="percentile", rng=1
        ).confidence_interval
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(drawn), abs=0.05)
        s, d = (gained + lost) / 45, (gained - lost) / 45
        if d == 0:
            assert row["texts_needed"] is None
        else:
            z, power = scipy.stats.norm.ppf([0.975, 0.8])
            texts = math.ceil((z * s**0.5 + power * (s - d * d) ** 0.5) ** 2 / d**2)
            assert row["texts_needed"] == max(texts, 5)
    p = [row["p"] for row in document["uplifts"]]
    adjusted = multipletests(p, method="holm")[1]
    assert [row["holm_p"] for row in document["uplifts"]] == [near(value) for value in adjusted]


def test_a_job_is_there_once_with_its_curve(project):
    jobs = project.document["jobs"]
    assert [(job["name"], job["train_size"]) for job in jobs] == [
        ("one-ft40", 40),
        ("one-ft300", 300),
        ("two-ft40", 40),
    ]
    by_id = {cell["job"] for cell in project.document["cells"]} - {None}
    assert {job["id"] for job in jobs} == by_id
    assert jobs[0]["curve"] == [
        {"step": 1, "training_loss": 0.5},
        {"step": 2, "training_loss": 0.25},
    ]
    assert jobs[0]["trained_tokens"] == 4321
    assert jobs[0]["messages"][1:] == ["Fine-tuning job started", "The job has succeeded"]
    assert jobs[0]["hyperparameters"] == {"n_epochs": 4}


def test_tables_say_what_the_json_says(project):
    folder = project.root / "out"
    cells = project.document["cells"]
    lists = {
        "readings",
        "overrides",
        "recorded_limits",
        "gates",
        "confusion",
        "predictions",
        "calibration",
        "probabilities",
        "prompt_sha256",
    }
    rows = list(csv.DictReader((folder / "results.csv").read_text().splitlines()))
    assert list(rows[0]) == [name for name in cells[0] if name not in lists]
    assert [float(row["accuracy"]) for row in rows] == [cell["accuracy"] for cell in cells]
    table = pq.read_table(folder / "results.parquet").to_pylist()
    assert table == [{k: v for k, v in cell.items() if k not in lists} for cell in cells]
    judgements = pq.read_table(folder / "judgements.parquet").to_pylist()
    (about,) = project.document["experiments"]
    assert len(judgements) == 45 * len(cells)
    cell, judged = cells[1], judgements[45:90]
    assert [row["prediction"] for row in judged] == cell["predictions"]
    assert [row["item"] for row in judged] == about["items"]
    assert [[row["probability_0"], row["probability_1"]] for row in judged] == cell["probabilities"]
    assert sum(row["correct"] for row in judged) == cell["correct"]
    assert {row["probability_0"] for row in judgements[:45]} == {None}


def test_every_file_is_the_same_bytes_on_a_replay(project):
    for folder in ("once", "again"):  # a kept recording was made at another port
        project.run("--results", folder, "--rivals")
    for path in (project.root / "once").iterdir():
        assert (project.root / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_no_text_of_the_data_set_is_in_them(project):
    import tunebench.evaluation.inputs
    from tunebench import Experiment

    rows = tunebench.evaluation.inputs.test_rows(Experiment.read(project.toml))
    for path in (project.root / "out").iterdir():
        content = path.read_bytes()
        assert not any(text.encode()[:60] in content for text in rows["text"])
    assert json.dumps(project.document, allow_nan=False)
