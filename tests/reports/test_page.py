import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from tunebench.reports import Results, checked
from tunebench.reports.page import report, sections, write_report
from tunebench.reports.page.blocks import paragraph
from tunebench.reports.page.section import Section

from .made_results import (
    answer,
    answered,
    cell,
    document,
    experiment,
    imdb_like,
    job,
    label_ids,
    many,
    options,
    rival,
    uplift,
    wilson,
)

VOID = {"meta", "link", "input", "br", "path", "use"}


class Page(HTMLParser):
    """The elements of a page as (tag, attributes, text before the next tag, ancestors)."""

    def __init__(self, text):
        super().__init__()
        self.source = text
        self.elements = []
        self.open = []
        self.texts = []
        self.feed(text)
        self.close()
        assert not self.open, "every element is closed"

    def handle_starttag(self, tag, attributes):
        element = {"tag": tag, "in": list(self.open), "text": "", **dict(attributes)}
        self.elements.append(element)
        if tag not in VOID:
            element["text"] = len(self.texts)  # where its own begins, until it ends
            self.open.append((tag, element))

    def handle_startendtag(self, tag, attributes):
        self.elements.append({"tag": tag, "in": list(self.open), "text": "", **dict(attributes)})

    def handle_endtag(self, tag):
        if tag not in VOID:
            opened, element = self.open.pop()
            assert opened == tag
            element["text"] = "".join(self.texts[element["text"] :])
        if tag in ("td", "th", "dt", "dd", "p", "li"):
            self.handle_data(" ")

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, *tags, **attributes):
        return [
            element
            for element in self.elements
            if element["tag"] in tags
            and all(element.get(name.strip("_")) == value for name, value in attributes.items())
        ]

    def one(self, *tags, **attributes):
        (element,) = self.all(*tags, **attributes)
        return element

    def table(self, caption):
        """The words of the table with a caption."""
        (text,) = (e["text"] for e in self.all("table") if e["text"].strip().startswith(caption))
        return " ".join(text.split()).removeprefix(caption).strip()

    def words(self):
        """What a reader sees: neither scripts nor styles."""
        hidden = [element["text"] for element in self.all("script", "style", "title")]
        text = self.one("html")["text"]
        for part in hidden:
            text = text.replace(part, "")
        return " ".join(text.split())

    def sections(self):
        return [" ".join(element["text"].split()) for element in self.all("h2")]


def typed(results):
    return checked(Results, results)


def made(results, **options):
    return Page(report(typed(results), **options))


@pytest.fixture(scope="module")
def imdb():
    """Every section."""
    return made(priced(answered(100)))


@pytest.fixture(scope="module")
def older():
    """Results without options."""
    return made(imdb_like())


def priced(results):
    for number, option in enumerate(results["answers"][0]["options"]):
        option |= {"cost_per_1000": 0.1 * (1 + number % 7), "currency": "EUR"}
    return results


def small(n=3, **parts):
    return document([cell("tiny", n), cell("tiny", n, size=300)], **parts)


def test_the_page_has_landmarks_one_title_and_headings_in_order(imdb):
    for landmark in ("header", "nav", "main", "footer", "h1"):
        imdb.one(landmark)
    assert imdb.one("html")["lang"] == "en"
    assert imdb.one("h1")["text"] == "What works best on imdb?"
    assert next(iter(imdb.all("title")))["text"] == imdb.one("h1")["text"]
    levels = [int(heading["tag"][1]) for heading in imdb.all("h1", "h2", "h3", "h4")]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_sections_come_in_order(imdb, older):
    shown = ["The answer", "Accuracy by training size", "Cost against accuracy", "Calibration"]
    shown.append("Errors by item")
    folded = ["Learning curves", "Confusion matrices", "All cells", "Comparisons", "Provenance"]
    assert imdb.sections() == [*shown, *folded]
    within = [h["text"] for h in imdb.all("h2") if "summary" in [tag for tag, _ in h["in"]]]
    assert within == folded
    assert set(older.sections()) == {*shown, *folded} - {"Cost against accuracy"}
    for page in (imdb, older):
        targets = [link["href"][1:] for link in page.all("a")]
        assert set(targets) <= {element.get("id") for element in page.elements}


def test_without_options_the_cells_are_shown_without_a_chart(older):
    assert not older.all("p", class_="badge")
    assert not [h for h in older.all("h2") if "summary" in [tag for tag, _ in h["in"]]]
    assert not [e for e in older.all("svg") if "answer" in e.get("aria-labelledby", "")]
    assert "smollm2-135m-0shot-label_logprobs" in older.table("All cells")
    assert older.one("p", class_="verdict")["text"].startswith("Fine-tune: smollm2-135m on 2,000")


def test_a_section_is_added_to_the_list_alone(monkeypatch):
    longest = Section(
        "longest",
        "The longest item",
        lambda view: [paragraph(max(view.about.items))] if view.cells else [],
    )
    monkeypatch.setattr(sections, "SECTIONS", (longest, *sections.SECTIONS))
    page = made(small())
    assert page.sections()[:2] == ["The longest item", "The answer"]
    assert "The longest item movie-reviews/00002" in page.words()
    assert page.one("a", href="#x1-longest")["text"] == page.one("h2", id="x1-longest")["text"]
    assert "The longest item" not in made(document([])).words()


def test_every_section_has_an_anchor_of_its_own():
    anchors = [section.anchor for section in sections.SECTIONS]
    assert len(anchors) == len(set(anchors))


def test_every_table_has_a_caption_and_every_heading_a_scope(imdb):
    for name in ("caption", "thead", "tbody"):
        assert len(imdb.all(name)) == len(imdb.all("table"))
    assert all(heading["scope"] for heading in imdb.all("th"))
    bodies = [row for row in imdb.all("tr") if any(tag == "tbody" for tag, _ in row["in"])]
    assert len(imdb.all("th", scope="row")) == len(bodies)


def test_ids_are_unique_and_what_names_or_labels_something_is_there(imdb):
    ids = [element["id"] for element in imdb.elements if element.get("id")]
    assert len(ids) == len(set(ids))
    named = {name for e in imdb.elements for name in (e.get("aria-labelledby") or "").split()}
    used = {use["href"][1:] for use in imdb.all("use")}
    labelled = {label["for"] for label in imdb.all("label")}
    assert named | used | labelled <= set(ids)
    fields = {field["id"] for field in imdb.all("input", "select")}
    assert fields == labelled


def test_two_experiments_have_sections_of_their_own():
    other = [dict(one, experiment="other") for one in (cell("tiny", 3), cell("tiny", 3, size=9))]
    page = made(
        small()
        | {"experiments": [experiment(3), experiment(3, name="other")]}
        | {"cells": [*small()["cells"], *other]}
    )
    assert page.sections() == ["imdb", "other"]
    assert page.one("h1")["text"] == "What works best?"
    ids = [element["id"] for element in page.elements if element.get("id")]
    assert len(ids) == len(set(ids))


def test_the_badge_the_chart_and_what_speaks_against_it_lead():
    results = answered(100)
    given = results["answers"][0]
    words = made(results).words()
    order = [given["badge"], given["sentence"].partition(": ")[2], "accuracy, 95 % interval"]
    order += [
        "What speaks against it",
        *given["against"],
        given["statistics"],
        "All options as a table",
    ]
    places = [words.index(text) for text in order]
    assert places == sorted(places)


@pytest.mark.parametrize("verdict", ["fine-tune", "do not fine-tune", "use", "undecided"])
def test_the_badge_has_the_colour_of_the_verdict(verdict):
    results = answered(20)
    results["answers"][0] |= {"verdict": verdict, "badge": "In a few words"}
    page = made(results)
    badge = page.one("p", class_=f"badge {verdict.replace(' ', '-')}")
    assert badge["text"] == "In a few words"
    sheet = page.one("style")["text"]
    assert (f".badge.{verdict.replace(' ', '-')}" in sheet) == (verdict != "undecided")


def shown_options(page):
    """The names of the options in the chart, from top to bottom."""
    chart = page.one("svg", **{"aria-labelledby": "x1-answer-chart-title x1-answer-chart-desc"})
    labels = [
        e for e in page.all("text") if ("svg", chart) in e["in"] and "label" in e.get("class", "")
    ]
    return [e["text"] for e in labels]


def test_the_chart_has_a_row_for_each_option_best_first():
    found = [cell("tiny", 20, skill=0.6), cell("tiny", 20, size=300, skill=0.9)]
    every = options(found, [rival("tf-idf", 300, 20, 15)], 20)
    page = made(document(found, answers=[answer(every)]))
    names = [option["name"].replace(" ", "") for option in every]
    assert [name.replace(" ", "") for name in shown_options(page)] == names
    assert "The chart shows" not in page.words()
    table = page.table("All options")
    places = [table.index(option["name"]) for option in every]
    assert places == sorted(places)


def test_a_chart_of_many_options_keeps_those_that_decide_and_the_best_of_each_kind():
    found = [cell(f"m{number:02}", 20, size=300, skill=0.99) for number in range(30)]
    found += [cell(f"m{number:02}", 20, skill=0.3) for number in range(30)]
    every = options(found, [rival("tf-idf", 300, 20, 9)], 20)
    last = [option for option in every if option["kind"] == "prompt"][-1]
    page = made(document(found, answers=[answer(every, rival=last["name"])]))
    shown = shown_options(page)
    assert 8 <= len(shown) <= 12
    for kind in ("constant", "rival", "prompt", "fine-tuned"):
        best = next(option["name"] for option in every if option["kind"] == kind)
        assert best.replace(" ", "") in [name.replace(" ", "") for name in shown]
    assert last["name"] in shown
    assert f"The chart shows the {len(shown)} options that decide of 62 options" in page.words()


def test_prompts_that_were_not_checked_against_the_data_are_a_visible_line():
    said = "Prompts not checked against the data"
    assert said not in made(answered(20)).words()

    results = typed(answered(20))
    about = results.experiments[0].model_copy(update={"checked_against_data": False})
    page = Page(report(results.model_copy(update={"experiments": [about]})))
    assert said in page.one("p", class_="warning")["text"]
    assert "details" not in [tag for tag, _ in page.one("p", class_="warning")["in"]]


def test_without_an_answer_the_page_says_so():
    page = made(small())
    assert page.sections()[0] == "The answer"
    assert "The results contain no answer" in page.words()
    assert not page.all("p", class_="badge")


def test_numbers_are_written_as_in_the_results():
    first, second = small(100)["cells"]
    page = made(document([first, second], uplifts=[uplift(second, first, p=4.6e-06)]))
    assert f"{first['accuracy']:.3f}" in page.words()
    assert f"{first['ci_low']:.3f} to {first['ci_high']:.3f}" in page.words()
    difference = second["accuracy"] - first["accuracy"]
    assert f"{difference:+.3f} {difference - 0.1:+.3f} to {difference + 0.1:+.3f}" in page.words()
    assert "<0.0001" in page.words()


def test_charts_say_what_they_show_and_have_a_table(imdb):
    charts = imdb.all("svg", role="img")
    names = {chart["aria-labelledby"].partition("-title")[0].rstrip("12345678") for chart in charts}
    ends = ("answer", "sizes", "cost", "calibration", "jobs")
    assert names == {"x1-calibration-leans", *(f"x1-{end}-chart" for end in ends)}
    for chart in charts:
        title, description = chart["aria-labelledby"].split()
        assert imdb.one("title", id=title)["text"]
        told = imdb.one("desc", id=description)["text"]
        assert "table" in told or re.search(r"0\.\d\d, 0\.\d\d", told)
    drawn = [e for e in imdb.all("svg") if not e.get("role")]
    assert all(e.get("aria-hidden") or ("svg" in [tag for tag, _ in e["in"]]) for e in drawn)


def test_charts_have_no_style_of_their_own(imdb):
    drawn = "".join(re.findall(r"<svg.*?</svg>", imdb.source, re.DOTALL))
    assert "smollm2-135m fine-tuned on" in drawn
    assert not re.search(r"#|style|fill|stroke|font|url", drawn)
    plain = {"dash-1"}  # a series' first dashes are none
    sheet = imdb.one("style")["text"]
    used = {name for found in re.findall(r'class="([^"]*)"', drawn) for name in found.split()}
    assert used >= {"line", "mark", "hollow", "reference", "grid", "series-1", "series-5", "dash-2"}
    assert {name for name in used - plain if f".{name}" not in sheet} == set()


def test_colours_of_charts_are_there_in_both_schemes(imdb):
    sheet = imdb.one("style")["text"]
    light, dark, _ = re.split(r":root \{|@media print", sheet.replace("@media (prefers", "", 1))[1:]
    for name in set(re.findall(r"var\(--([\w-]+)\)", sheet)):
        assert f"--{name}:" in light
        assert f"--{name}:" in dark


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(a * b for a, b in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_of_text_and_series_have_contrast(imdb, scheme):
    block = re.findall(r":root \{(.*?)\}", imdb.one("style")["text"], re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", block))
    text = ("ink", "muted", "link", "right", "wrong", *(f"series-{i}" for i in range(1, 7)))
    for name in text:
        for behind in ("page", "raised"):
            values = sorted(luminance(colours[one]) for one in (name, behind))
            assert (values[1] + 0.05) / (values[0] + 0.05) >= 4.5, (name, behind)


def test_the_page_asks_no_other_host_and_forbids_what_it_does_not_bring(imdb):
    assert "http" not in imdb.source.replace("http-equiv", "")
    assert not [e for e in imdb.elements if e.get("src") or e.get("style")]
    policy = imdb.one("meta", **{"http-equiv": "Content-Security-Policy"})["content"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_the_page_of_the_experiment_stays_small(imdb):
    assert len(imdb.source.encode()) < 500_000


def test_equal_results_give_equal_bytes(tmp_path):
    results = document([cell("tiny", 3), cell("tiny", 3, size=300)], jobs=[job("tiny", 300)])
    for name in ("one.html", "two.html"):
        write_report(typed(json.loads(json.dumps(results))), tmp_path / name)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&$x_1$"


def test_nothing_in_the_results_becomes_markup():
    more = {"server": EVIL, "answered_as": EVIL, "cassette": EVIL, "readings": {EVIL: 3}}
    first = cell(EVIL, 3, truth=[0, 0, 1], fine_tuned_model=EVIL, **more)
    gate = {"gate": EVIL, "value": 1.0, "limit": 2.0, "mode": EVIL, "verdict": "fail"}
    first |= {"gates": [gate | {"sentence": EVIL}], "verdict": "fail"}
    second = cell(
        EVIL, 3, truth=[0, 0, 1], size=300, rule="label_logprobs", job=EVIL, currency=EVIL
    )
    second["cost_per_1000"] = 1.0
    named = {"experiment": "imdb"}
    rivals = [rival(EVIL, 300, 3, 2) | {"majority_rate": None}]
    every = options([first, second], rivals, 3)
    every[0]["name"] = EVIL
    told = {"against": [EVIL], "statistics": EVIL, "badge": EVIL, "sentence": EVIL}
    about = {"labels": [EVIL, "b"], "items": [EVIL, "1", "2"], "places": [EVIL, "", ""]}
    results = document(
        [first, second],
        experiments=[
            experiment(3, label_ids=[0, 0, 1], majority_rate=2 / 3, skipped=[{"reason": EVIL}])
            | about
            | {"file": EVIL, "dataset": EVIL, "instruction": EVIL}
        ],
        uplifts=[uplift(second, first)],
        jobs=[job(EVIL, 300) | {"messages": [EVIL], "hyperparameters": {EVIL: EVIL}}],
        answers=[answer(every, **told)],
        data_needs=[named | {"sentence": EVIL}],
        break_evens=[named | {"sentence": EVIL}],
        errors=[named | {"cell": EVIL, "error": EVIL}, {"cell": EVIL, "error": EVIL}],
        rivals=rivals,
    )
    page = made(results, texts={EVIL: EVIL})
    assert len(page.all("script")) == 2
    assert not page.all("img")
    assert not [e for e in page.elements if any(name.startswith("on") for name in e)]
    assert page.words().count("alert(1)") > 30
    data = json.loads(page.one("script", type="application/json")["text"])
    assert data["items"][0] == EVIL


@pytest.mark.parametrize(
    "left_out",
    ["uplifts", "errors", "jobs", "rivals", "answers", "data_needs", "break_evens"],
)
def test_a_part_may_be_missing_or_empty(left_out):
    results = answered(20)
    made(results | {left_out: []})
    results.pop(left_out, None)
    page = made(results)
    assert "None" not in page.words()


OPTIONAL = (
    "unread", "majority_rate", "min_accuracy", "verdict", "prompt_tokens", "completion_tokens",
    "latency_ms_median", "cassette", "server", "job", "fine_tuned_model", "trained_tokens",
    "training_seconds", "probabilities", "prompt_sha256", "balanced_accuracy", "macro_f1",
    "matthews", "auc", "calibration_error",
)  # fmt: skip


@pytest.mark.parametrize("name", OPTIONAL)
def test_a_value_of_a_cell_may_be_missing_or_null(name):
    results = answered(20)
    for one in results["cells"]:
        one[name] = None
    assert "None" not in made(results).words()
    for one in results["cells"]:
        del one[name]
    assert "None" not in made(results).words()


ABOUT_AN_ANSWER = (
    "verdict", "badge", "chosen", "rival", "difference", "ci_low", "ci_high", "p", "against",
    "statistics",
)  # fmt: skip


@pytest.mark.parametrize("name", ABOUT_AN_ANSWER)
def test_a_value_of_the_answer_may_be_missing(name):
    results = answered(20)
    del results["answers"][0][name]
    page = made(results)
    assert "None" not in page.words()
    assert page.sections()[0] == "The answer"


def test_the_least_that_results_can_hold():
    assert "The results have no experiment." in made({"version": 3, "cells": []}).words()


@pytest.mark.parametrize("skill", [0.0, 1.0], ids=["all wrong", "all right"])
@pytest.mark.parametrize("n", [1, 20])
def test_extremes_are_drawn(skill, n):
    found = [cell("tiny", n, skill=skill), cell("tiny", n, size=300, skill=skill)]
    found.append(cell("tiny", n, shots=1, rule="label_logprobs", skill=skill))
    every = [one | {"cost_per_1000": 0.0} for one in options(found, [], n)]
    page = made(document(found, answers=[answer(every)], uplifts=[uplift(found[1], found[0])]))
    # Groups of texts for the reliability are at least two.
    assert len(page.all("svg", role="img")) == 4
    assert "nan" not in page.source.partition("<main")[2].partition("<script")[0]
    assert f"{skill:.3f}" in page.words()


def test_costs_are_shown_only_where_prices_are_known():
    results = answered(20)
    assert "Cost against accuracy" not in made(results).sections()
    option = results["answers"][0]["options"][0]
    option |= {"cost_per_1000": 0.5, "currency": "EUR", "training_cost": 3.0}
    page = made(results)
    assert "cost of 1,000 answers, EUR" in page.source
    assert f"{option['name']}: {option['accuracy']:.3f} for 0.5 EUR" in page.words()
    table = page.table("All options")
    assert "cost of 1,000 answers of training in" in table
    assert "0.5 3 EUR" in table
    assert "of training" not in made(answered(20)).table("All options")


def test_confusion_is_counted():
    one = cell("tiny", 4, truth=[0, 0, 1, 1], predictions=[0, 1, None, 1])
    page = made(
        document([one], experiments=[experiment(4, label_ids=[0, 0, 1, 1], majority_rate=0.5)])
    )
    matrix = page.one("table", class_="matrix")
    assert matrix["text"].split()[-8:] == ["Negative", *"110", "Positive", *"011"]


def test_the_lean_is_the_share_of_the_answers_minus_that_of_the_texts():
    one = cell("tiny", 4, truth=[0, 0, 0, 1], rule="label_logprobs", predictions=[1, 1, 1, 0])
    about = experiment(4, label_ids=[0, 0, 0, 1], majority_rate=0.75)
    page = made(document([one], experiments=[about]))
    assert "Negative 0.250 0.750 -0.500" in page.table("Lean by label")
    assert "Positive 0.750 0.250 +0.500" in page.table("Lean by label")
    (value,) = (e["text"] for e in page.all("text") if e["text"].startswith("+"))
    assert value == "+0.50"


def test_reliability_is_the_share_right_among_texts_of_like_probability():
    truth = [0] * 40
    one = cell("tiny", 40, truth=truth, rule="label_logprobs", predictions=[0] * 30 + [1] * 10)
    one["probabilities"] = [[0.9, 0.1]] * 20 + [[0.7, 0.3]] * 10 + [[0.3, 0.7]] * 10
    about = experiment(40, label_ids=truth, majority_rate=1.0)
    page = made(document([one], experiments=[about]))
    told = page.one("desc", id="x1-calibration-chart1-desc")["text"]
    assert told.endswith("0.70, 0.50; 0.90, 1.00")


def test_calibration_is_left_out_where_no_cell_has_probabilities():
    assert "Calibration" not in made(small()).sections()


def test_items_show_marks_as_text_the_place_and_the_probability():
    one = cell("tiny", 3, truth=[0, 0, 1], rule="label_logprobs", predictions=[0, 1, 1])
    one |= {"predictions": [0, 1, None], "correct": 1, "unread": 1, "accuracy": 1 / 3}
    one["ci_low"], one["ci_high"] = wilson(1, 3)
    one["probabilities"] = [[0.876, 0.124], [0.4, 0.6], None]
    places = [f"reviews.csv, line {line}" for line in (2, 3, 4)]
    about = experiment(3, label_ids=[0, 0, 1], majority_rate=2 / 3, places=places)
    answers = made(document([one], experiments=[about])).table("Answers by item")
    assert "reviews.csv, line 2 Negative 1 of 1 ✓ Negative 0.88 right" in answers
    assert "reviews.csv, line 3 Negative 0 of 1 ✗ Positive 0.60 wrong" in answers
    assert "reviews.csv, line 4 Positive 0 of 1 – no label" in answers


def test_the_items_begin_with_the_errors_of_the_chosen_option():
    truth = label_ids(20)
    tuned = cell("tiny", 20, size=300, predictions=[*truth[:18], *(1 - one for one in truth[18:])])
    prompt, other = cell("tiny", 20, skill=0.3), cell("tiny", 20, shots=4, skill=0.2)
    every = options([tuned, prompt, other], [], 20)
    page = made(document([tuned, prompt, other], answers=[answer(every)]))
    table = page.table("Answers by item")
    assert re.findall(r"movie-reviews/\d+", table) == ["movie-reviews/00018", "movie-reviews/00019"]
    best = max(prompt, other, key=lambda one: one["accuracy"])
    assert table.split()[5:7] == ["ft300", best["cell"].removeprefix("tiny-")]


def test_texts_are_there_only_when_given():
    item = "movie-reviews/00001"
    assert "a fine film" not in made(small()).source
    page = made(small(), texts={item: "a fine film"})
    assert "a fine film" in page.one("table", class_="answers")["text"]
    assert not page.one("table", class_="answers")["text"].count("…")
    long = made(small(), texts={item: "a fine film " * 20}).one("table", class_="answers")["text"]
    assert ("a fine film " * 20)[:100] + "…" in long
    assert "a fine film " * 20 in long
    data = json.loads(page.one("script", type="application/json")["text"])
    assert data["texts"] == ["", "a fine film", ""]


def test_errors_are_shown():
    page = made(small(errors=[{"experiment": "imdb", "cell": "tiny-9shot", "error": "no such"}]))
    assert page.sections()[:2] == ["The answer", "Errors"]
    assert "tiny-9shot no such" in page.words()


def test_a_thousand_cells_give_whole_tables_and_bounded_charts():
    page = made(many(50, 20, 100))
    assert page.table("All cells").count("model-") == 1000
    assert page.table("Answers by item").count("movie-reviews/") == 100
    assert "the first 24 of 1,000 cells" in page.one("noscript")["text"]
    data = json.loads(page.one("script", type="application/json")["text"])
    assert len(data["cells"]) == 1000
    assert len(page.source.encode()) < 2_000_000


def test_a_thousand_options_give_whole_tables_and_bounded_charts():
    found = many(50, 20, 20)["cells"]
    page = made(document(found, answers=[answer(options(found, [], 20))]))
    assert page.table("All options").count("model-") == 1000
    assert re.search(r"The chart shows the \d+ options that decide of 1,001 options", page.words())
    assert "The chart shows the 8 that reach the highest accuracy of 50 lines" in page.words()


def test_of_many_items_the_page_has_a_sample_and_says_so(monkeypatch):
    monkeypatch.setattr(sections.items, "_MOST_ITEMS", 4)
    results = small(10)
    page = made(results)
    data = json.loads(page.one("script", type="application/json")["text"])
    assert data["items"] == results["experiments"][0]["items"][::3]
    assert len(data["cells"][0]["answers"]) == 4
    said = "This page has a sample of 4 of 10 items, one of every 3 in the order of the test"
    assert said in page.words()
    monkeypatch.setattr(sections.items, "_MOST_ITEMS", 10)
    assert "a sample of" not in made(results).words()


def test_more_labels_than_digits_are_kept():
    labels = [f"label {number}" for number in range(70)]
    one = cell("tiny", 2, truth=[69, 0], predictions=[69, None])
    about = experiment(2, labels=labels, label_ids=[69, 0], majority_rate=0.5)
    page = made(document([one], experiments=[about]))
    assert "✓ label 69" in page.words()
    data = json.loads(page.one("script", type="application/json")["text"])
    assert data["cells"][0]["answers"] == [69, -1]


@pytest.mark.parametrize("losses", [[12.0, 0.1, 0.05], [1.0, 0.9, 0.8], [1.0, 0.0, 0.5]])
def test_losses_of_many_sizes_stay_readable(losses):
    curve = [{"step": step, "training_loss": loss} for step, loss in enumerate(losses)]
    page = report(typed(small(jobs=[job("tiny", 300) | {"curve": curve}])))
    assert ("loss, logarithmic" in page) == (losses[0] == 12)


def test_learning_curves_are_in_one_chart_in_which_trainings_of_one_kind_look_alike():
    jobs = [job("tiny", 300) | {"name": f"tiny-ft300-seed{seed}"} for seed in range(3)]
    page = made(small(jobs=[*jobs, job("tiny", 500)]))
    (chart,) = (e for e in page.all("svg") if "x1-jobs-chart" in e.get("aria-labelledby", ""))
    marks = [e for e in page.all("circle") if ("svg", chart) in e["in"]]
    assert {e["class"] for e in marks} == {"mark series-1"}
    assert len(marks) == 3 * 4
    (legend,) = (e["text"] for e in page.all("ul", class_="legend") if "tiny-ft500" in e["text"])
    assert legend.split() == ["tiny-ft300", "tiny-ft500"]
    assert page.table("Fine-tuning jobs").count("validation 0.2") == 4


def test_names_that_xml_cannot_hold_or_that_look_like_formulas_are_drawn():
    found = [cell("a$\\frac$", 3), cell("模型", 3, size=300)]
    every = options(found, [], 3)
    every[-1]["name"] = "a\x00b $\\frac$"
    page = made(document(found, answers=[answer(every)]))
    assert "ab $\\frac$" in page.source.replace("a b", "ab")
    assert len(page.all("svg", role="img")) == 2


def test_a_lone_surrogate_is_written(tmp_path):
    texts = {"movie-reviews/00001": "\ud800"}
    write_report(typed(small()), tmp_path / "r.html", texts=texts)
    assert "\\ud800" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr("tunebench.reports.page.rendering._views", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(typed(small()), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_importing_the_page_imports_no_templates():
    code = (
        "import sys, tunebench.reports.page, tunebench.cli.main\n"
        "print([m for m in ('jinja2', 'markupsafe') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_it_is_shown_how_answers_were_read_where_not_all_were_labels():
    chatty = cell("tiny", 4, readings={"exact": 1, "chatter": 3})
    plain = cell("small", 4, readings={"exact": 4})
    page = made(document([chatty, plain]))
    caption = "How the answers of every cell were read"
    (shown,) = (one["text"] for one in page.all("table") if caption in one["text"])
    assert shown.split(caption)[1].split() == [
        *("cell", "exact", "chatter"),
        *("tiny-0shot", "1", "3"),
        *("small-0shot", "4", "0"),
    ]
    assert caption not in made(document([plain])).words()
