"""Every number of an answer, computed again from ``results.json`` by other libraries.

Nothing of tunebench computes here: the expected values come from scikit-learn, SciPy, statsmodels
and NumPy, and the rules of the verdict are written out once more.
"""

import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import sklearn.metrics
import statsmodels.api
import statsmodels.stats.multitest
import statsmodels.stats.proportion

from tunebench.analysis.answer import answer_of
from tunebench.reports import VERSION, Results, checked

from .made_rows import about, cell, rival

LEVEL, POWER = 0.05, 0.8
NORMAL = scipy.stats.norm


class Again:
    """The answer of a document's only experiment, from its rows."""

    def __init__(self, document: dict) -> None:
        [self.about] = document["experiments"]
        self.labels = np.array(self.about["label_ids"])
        self.n = len(self.labels)
        self.groups = self.about.get("groups")
        self.margin = self.about.get("smallest_gain") or 0.0
        self.runs: dict[str, list[np.ndarray]] = {}
        self.kinds: dict[str, str] = {}
        most = np.bincount(self.labels).argmax()
        self._take("constant", "constant", [most] * self.n)
        for row in document["rivals"]:
            if row["model"] != "majority class":
                self._take(f"{row['model']} {row['train_size']}", "rival", row["predictions"])
        for row in document["cells"]:
            name, kind = row["cell"], "prompt"
            if row["train_size"]:
                name = f"{row['model']} {row['train_size']} {row['decision_rule']}"
                kind = "fine-tuned"
            self._take(name, kind, row["predictions"])
        self.options = list(self.runs)

    def _take(self, name: str, kind: str, predictions: list) -> None:
        given = np.array([-1 if one is None else one for one in predictions])
        self.runs.setdefault(name, []).append(given)
        self.kinds[name] = kind

    def named(self, option: dict) -> str:
        """The name here of an option of the answer."""
        if option["kind"] == "constant":
            return "constant"
        if option["kind"] == "prompt":
            return option["cells"][0]
        rule = [option["decision_rule"]] if option["kind"] == "fine-tuned" else []
        return " ".join([option["model"], str(option["train_size"]), *rule])

    def accuracies(self, name: str) -> list[float]:
        score = sklearn.metrics.accuracy_score
        return [float(score(self.labels, one)) for one in self.runs[name]]

    def right(self, name: str) -> np.ndarray:
        return np.array([one == self.labels for one in self.runs[name]])

    def error(self, first: np.ndarray, other: np.ndarray | None) -> tuple[float, float]:
        """The standard error of a difference over texts and runs, and its degrees of freedom."""
        d = first.mean(0) - (0.0 if other is None else other.mean(0))
        units = np.arange(self.n) if self.groups is None else np.array(self.groups)
        fitted = statsmodels.api.OLS(d, np.ones(self.n)).fit(
            cov_type="cluster", cov_kwds={"groups": units, "use_correction": True}
        )
        parts = [(float(fitted.bse[0]) ** 2, len(set(units.tolist())) - 1)]
        several = (one for one in (first, other) if one is not None and len(one) > 1)
        parts += [(scipy.stats.sem(one.mean(1)) ** 2, len(one) - 1) for one in several]
        total = sum(variance for variance, _ in parts)
        return math.sqrt(total), total**2 / sum(v * v / freedom for v, freedom in parts)

    def clustered(self, right: np.ndarray) -> tuple[float, float]:
        """Wilson's interval with the effective number of texts of Korn and Graubard."""
        groups = np.array(self.groups)
        k, z = len(set(self.groups)), NORMAL.ppf(0.975)
        residuals = right - (right.mean() * k + z * z / 2) / (k + z * z)
        sums = np.array([residuals[groups == group].sum() for group in set(self.groups)])
        effect = max(1.0, (sums**2).sum() / (residuals**2).sum())
        quantiles = scipy.stats.t.ppf(0.975, [self.n - 1, k - 1])
        texts = self.n / effect * (quantiles[0] / quantiles[1]) ** 2
        low, high = statsmodels.stats.proportion.proportion_confint(
            right.mean() * texts, texts, method="wilson"
        )
        return float(low), float(high)

    def is_plain(self, *names: str) -> bool:
        return self.groups is None and all(len(self.runs[name]) == 1 for name in names)

    def p(self, first: str, other: str, margin: float = 0.0) -> float:
        a, b = self.right(first), self.right(other)
        if self.is_plain(first, other) and not margin:
            only, lost = int((a & ~b).sum()), int((b & ~a).sum())
            law = scipy.stats.binom(only + lost, 0.5)
            return min(1.0, 2 * law.cdf(min(only, lost)) - law.pmf(min(only, lost)))
        error, freedom = self.error(a, b)
        t = (a.mean() - b.mean() - margin) / error
        return float(2 * scipy.stats.t.sf(abs(t), freedom))

    def above(self, first: str, other: str, margin: float = 0.0) -> float:
        """The one-sided p-value of the first not being above the other by the margin."""
        p = self.p(first, other, margin)
        return p / 2 if self.mean(first) - self.mean(other) > margin else 1 - p / 2

    def mean(self, name: str) -> float:
        return float(np.mean(self.accuracies(name)))

    def interval(self, first: str, other: str) -> list[float]:
        draw = np.random.default_rng(5)
        a, b = self.right(first), self.right(other)
        units = np.arange(self.n) if self.groups is None else np.array(self.groups)
        places = [np.flatnonzero(units == unit) for unit in np.unique(units)]
        drawn = []
        for _ in range(3000):
            texts = np.concatenate(
                [places[i] for i in draw.integers(len(places), size=len(places))]
            )
            means = []
            for one in (a, b):
                runs = one[:, texts].mean(1)
                luck = draw.choice(runs, len(runs)).mean() - runs.mean()
                stretch = math.sqrt(len(runs) / (len(runs) - 1)) if len(runs) > 1 else 0.0
                means.append(runs.mean() + stretch * luck)
            drawn.append(means[0] - means[1])
        ends = np.percentile(drawn, [2.5, 97.5])
        if self.is_plain(first, other):
            return list(ends)
        ratio = scipy.stats.t.ppf(0.975, self.error(a, b)[1]) / NORMAL.ppf(0.975)
        difference = a.mean() - b.mean()
        return list(difference + ratio * (ends - difference))

    def of_kind(self, tuned: bool) -> list[str]:
        """The names of one kind; of those with equal predictions the first."""
        found: dict[tuple, str] = {}
        for name in self.options:
            if (self.kinds[name] == "fine-tuned") == tuned:
                key = tuple(sorted(tuple(one.tolist()) for one in self.runs[name]))
                found.setdefault(key, name)
        return list(found.values())

    def claims(self) -> dict[str, float]:
        """For each fine-tuned option the largest p-value against all that are not."""
        others = self.of_kind(tuned=False)
        return {
            name: min(1.0, 2 * max(self.above(name, other, self.margin) for other in others))
            for name in self.of_kind(tuned=True)
        }

    def holm(self) -> dict[str, float]:
        claims = self.claims()
        adjusted = statsmodels.stats.multitest.multipletests(list(claims.values()), method="holm")
        return dict(zip(claims, adjusted[1], strict=True))


@pytest.fixture(scope="module")
def committed(imdb_replay):
    """The committed experiment's results."""
    return json.loads((imdb_replay / "results.json").read_text())


def made(tuned: float, *, seeds=3, prompt=0.7, groups=None, n=240, gain=0.0, sizes=(300, 500)):
    """Results of made rows, as they are written."""
    draw = np.random.default_rng(3)
    easy = draw.random(n)

    def right(accuracy: float) -> list[bool]:
        return ((easy + draw.random(n)) / 2 < accuracy**0.8).tolist()

    cells = [cell(right(prompt - 0.05 * i), n=n, shots=i, cost_per_1000=i + 1.0, currency="EUR")
             for i in range(4)]  # fmt: skip
    cells += [
        cell(right(tuned), n=n, size=size, cost_per_1000=9.0, training_cost=2.0, currency="EUR",
             **({"seed": seed} if seeds > 1 else {}))
        for size in sizes for seed in range(seeds)
    ]  # fmt: skip
    rivals = [rival(right(prompt), n=n, size=500)] if sizes else []
    given = about(n, groups=groups, smallest_gain=gain)
    found = answer_of(given, cells, rivals)
    parts = {"version": VERSION, "answers": [found], "experiments": [given], "cells": cells,
             "rivals": rivals}  # fmt: skip
    return json.loads(checked(Results, parts).model_dump_json())


GROUPS = [number // 5 for number in range(240)]
MADE = {
    "three seeds": lambda: made(0.85),
    "three seeds, undecided": lambda: made(0.72),
    "groups": lambda: made(0.85, seeds=1, groups=GROUPS),
    "groups and seeds, worse": lambda: made(0.4, groups=GROUPS),
    "one seed, worse": lambda: made(0.4, seeds=1),
    "one seed, a gain that counts": lambda: made(0.9, seeds=1, gain=0.04),
    "prompts alone": lambda: made(0.0, sizes=()),
}


@pytest.fixture(params=["committed", *MADE])
def document(request):
    if request.param == "committed":
        return request.getfixturevalue("committed")
    return MADE[request.param]()


def test_the_accuracy_and_interval_of_each_option(document):
    again, [found] = Again(document), document["answers"]
    assert sorted(map(again.named, found["options"])) == sorted(again.options)
    for option in found["options"]:
        name = again.named(option)
        assert option["runs"] == pytest.approx(again.accuracies(name))
        assert option["accuracy"] == pytest.approx(again.mean(name))
        right = again.right(name)
        if again.is_plain(name):
            expected = statsmodels.stats.proportion.proportion_confint(
                int(right.sum()), again.n, method="wilson"
            )
        elif len(right) == 1:
            expected = again.clustered(right[0])
        else:
            error, freedom = again.error(right, None)
            p, z = right.mean(), scipy.stats.t.ppf(0.975, freedom)
            texts = min(again.n, p * (1 - p) / error**2)
            # The ends solve (p - end)² = z² end (1 - end) / texts.
            roots = np.roots([1 + z * z / texts, -2 * p - z * z / texts, p * p])
            expected = sorted(roots)
        assert (option["ci_low"], option["ci_high"]) == pytest.approx(tuple(expected), abs=1e-6)
    accuracies = [option["accuracy"] for option in found["options"]]
    assert accuracies == sorted(accuracies, reverse=True)


def sides(again, found):
    by_name = {option["name"]: option for option in found["options"]}
    return again.named(by_name[found["chosen"]]), again.named(by_name[found["rival"]])


def test_the_difference_its_interval_and_the_claims_p(document):
    again, [found] = Again(document), document["answers"]
    chosen, other = sides(again, found)
    assert found["difference"] == pytest.approx(again.mean(chosen) - again.mean(other))
    assert (found["ci_low"], found["ci_high"]) == pytest.approx(
        tuple(again.interval(chosen, other)), abs=0.02
    )
    if found["verdict"] == "do not fine-tune":
        others = len(again.of_kind(tuned=False))
        expected = min(1.0, 2 * others * again.above(chosen, other, -again.margin))
    elif again.of_kind(tuned=True):
        expected = again.holm()[chosen]
    else:
        rest = [name for name in again.of_kind(tuned=False) if name != chosen]
        expected = min(1.0, 2 * max(again.above(chosen, name) for name in rest))
    assert found["p"] == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_the_verdict_follows_from_the_rules(document):
    again, [found] = Again(document), document["answers"]
    others, tuned = again.of_kind(tuned=False), again.of_kind(tuned=True)
    best = max(others, key=again.mean)
    if not tuned:
        rest = [name for name in others if name != best]
        shown = all(2 * again.above(best, name) < LEVEL for name in rest)
        assert found["verdict"] == ("use" if shown else "undecided")
        return
    passing = [name for name, p in again.holm().items() if p < LEVEL]
    worse = all(
        any(2 * len(others) * again.above(other, name, -again.margin) < LEVEL for other in others)
        for name in tuned
    )
    expected = "fine-tune" if passing else "do not fine-tune" if worse else "undecided"
    assert found["verdict"] == expected
    chosen, other = sides(again, found)
    if passing:
        assert chosen in passing
        assert again.mean(other) == max(map(again.mean, others))
    elif worse:
        assert again.mean(other) == max(map(again.mean, tuned))
        assert chosen == best or 2 * again.above(best, chosen) >= LEVEL
    else:
        claims = again.claims()
        assert claims[chosen] == min(claims.values())
        assert again.above(chosen, other, again.margin) == max(
            again.above(chosen, name, again.margin) for name in others
        )


def test_what_is_detectable_and_how_many_texts_settle_it(document):
    again, [found] = Again(document), document["answers"]
    chosen, other = sides(again, found)
    others, tuned = again.of_kind(tuned=False), again.of_kind(tuned=True)
    against = found["verdict"] == "do not fine-tune" or (
        found["verdict"] == "undecided" and found["difference"] <= again.margin
    )
    level = LEVEL / (len(others) if against else len(tuned)) if tuned else LEVEL
    z = NORMAL.ppf(1 - level / 2), NORMAL.ppf(POWER)
    a, b = again.right(chosen), again.right(other)
    if again.is_plain(chosen, other) and not again.margin:
        apart = float((a != b).mean())

        def texts(d: float) -> float:
            s = max(apart, d)
            return float((z[0] * math.sqrt(s) + z[1] * math.sqrt(max(0, s - d * d))) / d) ** 2

        expected = scipy.optimize.brentq(lambda d: texts(d) - again.n, 1e-4, 1)
        needed = texts(abs(found["difference"])) if found["difference"] else None
    else:
        error, freedom = again.error(a, b)
        expected = (scipy.stats.t.ppf(1 - level / 2, freedom) + z[1]) * error
        of_runs = sum(scipy.stats.sem(one.mean(1)) ** 2 for one in (a, b) if len(one) > 1)
        left = (found["difference"] - again.margin) ** 2 / sum(z) ** 2 - of_runs
        needed = (error**2 - of_runs) * again.n / left if left > 0 else None
    assert found["detectable"] == pytest.approx(expected, rel=0.02)
    if found["verdict"] != "undecided" or needed is None:
        assert found["texts_needed"] is None
    else:
        assert found["texts_needed"] == pytest.approx(needed, abs=1.5)


def test_the_sentences_hold_these_numbers_and_no_others(document):
    again, [found] = Again(document), document["answers"]
    chosen, other = sides(again, found)
    others, tuned = again.of_kind(tuned=False), again.of_kind(tuned=True)
    a, b = again.right(chosen), again.right(other)

    def points(share: float) -> str:
        return f"{round(abs(share) * 100, 1):g}"

    numbers = {"95", str(again.n), f"{again.n:,}", str(len(a)), str(len(b))}
    for name in again.options:
        means = [again.mean(name), *again.accuracies(name)]
        numbers |= {f"{value:.3f}" for value in means}
    shares = [found[key] for key in ("difference", "ci_low", "ci_high", "detectable")]
    numbers |= {points(share) for share in shares if share is not None}
    numbers |= {f"{found['texts_needed']:,}"} if found["texts_needed"] else set()
    numbers |= {points(again.margin)} if again.margin else set()
    options_without = sum(kind != "fine-tuned" for kind in again.kinds.values())
    numbers |= {str(options_without), str(len(others)), str(len(others) - 1), str(len(tuned))}
    numbers |= {str(int((a.mean(0) != b.mean(0)).sum()))}
    if again.groups:
        numbers.add(str(len(set(again.groups))))
    largest = [again.claims()[chosen]] if chosen in tuned else []
    if chosen not in tuned:
        rest = [name for name in others if name != chosen]
        largest.append(2 * again.above(chosen, other, -again.margin if tuned else 0.0))
        largest.append(2 * max((again.above(chosen, name) for name in rest), default=0.5))
    for p in [found["p"], *largest]:
        numbers.add(f"{min(1.0, p):.2g}" if p >= 0.001 else "0.001")
    if not again.is_plain(chosen, other) or again.margin:
        numbers.add(f"{again.error(a, b)[1]:.0f}")
    unbeaten = [
        name for name in others
        if name != chosen and 2 * again.above(chosen, name, again.margin if tuned else 0) >= LEVEL
    ]  # fmt: skip
    numbers |= {str(len(unbeaten) - 2), str(len(unbeaten) - 1)}
    numbers |= prices(document, found)
    text = " ".join([found["sentence"], *found["against"], found["statistics"]])
    for option in sorted(found["options"], key=lambda one: -len(one["name"])):
        text = text.replace(option["name"], "it")
    # A larger training size is named by its rows alone.
    numbers |= {f"{option['train_size']:,}" for option in found["options"]}
    given = re.findall(
        r"(?<![\w.,-])\d[\d,]*(?:\.\d+)?(?:e-\d+)?", text.replace("+", "").replace("-", " ")
    )
    assert {number.rstrip(",") for number in given} <= numbers


def prices(document, found) -> set[str]:
    by_name = {option["name"]: option for option in found["options"]}
    chosen = by_name[found["chosen"]]
    numbers = {"1,000"}
    if chosen["cost_per_1000"] is None:
        return numbers
    for option in found["options"]:
        gain = chosen["accuracy"] - option["accuracy"]
        if option["cost_per_1000"] is not None and gain > 0:
            more = chosen["cost_per_1000"] - option["cost_per_1000"]
            numbers |= {f"{more / (100 * gain):.3g}", f"{-more:.3g}"}
    return numbers | {f"{chosen['training_cost'] or 0:.3g}"}


def test_all_verdicts_are_among_these_documents(committed):
    found = {MADE[name]()["answers"][0]["verdict"] for name in MADE}
    found.add(committed["answers"][0]["verdict"])
    assert found >= {"fine-tune", "do not fine-tune", "undecided"}


class Page(HTMLParser):
    """The words of a page."""

    def __init__(self):
        super().__init__()
        self.words = []

    def handle_data(self, data):
        self.words.append(data)


def test_the_committed_answer_is_printed_in_the_summary_and_on_the_page(committed, imdb_replay):
    [found] = committed["answers"]
    page = Page()
    page.feed((imdb_replay / "report.html").read_text())
    printed = " ".join((imdb_replay / "printed.txt").read_text().split())
    summary = (imdb_replay / "summary.md").read_text().replace("\\", "")
    badge, _, rest = found["sentence"].partition(": ")
    assert badge == found["badge"]
    assert f"{badge} {rest}" in " ".join(" ".join(page.words).split())
    for sentence in (found["sentence"], *found["against"], found["statistics"]):
        assert sentence in printed
        assert sentence.replace("<", "&lt;") in summary
    assert summary.startswith(f"# tunebench\n\n**{found['sentence']}**\n\n")


def test_every_number_of_the_committed_results_is_scipys_and_statsmodels(committed):
    [about] = committed["experiments"]
    labels = np.array(about["label_ids"])
    right = {}
    interval = statsmodels.stats.proportion.proportion_confint
    for row in [*committed["cells"], *committed["rivals"]]:
        given = np.array([-1 if p is None else p for p in row["predictions"]])
        correct = given == labels
        assert row["correct"] == correct.sum()
        assert row["accuracy"] == correct.mean()
        wilson = interval(correct.sum(), len(labels), method="wilson")
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(wilson, abs=1e-12)
        if "exact_low" in row:
            exact = interval(correct.sum(), len(labels), method="beta")
            exact = [0.0 if np.isnan(exact[0]) else exact[0], exact[1]]
            assert [row["exact_low"], row["exact_high"]] == pytest.approx(exact, abs=1e-9)
            right[row["cell"]] = correct
    for uplift in committed["uplifts"]:
        first, other = right[uplift["cell"]], right[uplift["over"]]
        only, lost = int((first & ~other).sum()), int((other & ~first).sum())
        law = scipy.stats.binom(only + lost, 0.5)
        mid_p = 2 * law.cdf(min(only, lost)) - law.pmf(min(only, lost))
        assert uplift["difference"] == pytest.approx(first.mean() - other.mean())
        assert uplift["p"] == pytest.approx(min(1.0, mid_p))
        low, high = scipy.stats.bootstrap(
            (first.astype(float), other.astype(float)),
            lambda a, b, axis: a.mean(axis) - b.mean(axis),
            paired=True, vectorized=True, method="percentile", n_resamples=5000, rng=1,
        ).confidence_interval  # fmt: skip
        assert (uplift["ci_low"], uplift["ci_high"]) == pytest.approx((low, high), abs=0.025)
    adjusted = statsmodels.stats.multitest.multipletests(
        [uplift["p"] for uplift in committed["uplifts"]], method="holm"
    )[1]
    assert [uplift["holm_p"] for uplift in committed["uplifts"]] == pytest.approx(list(adjusted))
