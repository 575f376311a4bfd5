import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from tunebench.errors import ResultsError
from tunebench.reports.page import report, sections, write_report
from tunebench.reports.page.blocks import paragraph
from tunebench.reports.page.section import Section

from .made_results import cell, document, experiment, imdb_like, job, many, uplift

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

    def words(self):
        """What a reader sees: neither scripts nor styles."""
        hidden = [element["text"] for element in self.all("script", "style", "title")]
        text = self.one("html")["text"]
        for part in hidden:
            text = text.replace(part, "")
        return " ".join(text.split())

    def sections(self):
        return [" ".join(element["text"].split()) for element in self.all("h2")]


@pytest.fixture(scope="module")
def imdb():
    return Page(report(imdb_like()))


def made(results, **options):
    return Page(report(results, **options))


def small(n=3, **parts):
    return document([cell("tiny", n), cell("tiny", n, size=300)], **parts)


def test_the_page_has_landmarks_one_title_and_headings_in_order(imdb):
    for landmark in ("header", "nav", "main", "footer", "h1"):
        imdb.one(landmark)
    assert imdb.one("html")["lang"] == "en"
    assert imdb.one("h1")["text"] == "Does fine-tuning beat prompting on imdb?"
    assert next(iter(imdb.all("title")))["text"] == imdb.one("h1")["text"]
    levels = [int(heading["tag"][1]) for heading in imdb.all("h1", "h2", "h3", "h4")]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_sections_come_in_order(imdb):
    assert imdb.sections() == [
        "The answer",
        "Accuracy",
        "Uplift",
        "Accuracy by training size",
        "Accuracy against tokens",
        "Learning curves",
        "Confusion",
        "Items",
        "Provenance",
    ]
    targets = [link["href"][1:] for link in imdb.all("a")]
    assert set(targets) <= {element.get("id") for element in imdb.elements}


def test_a_section_is_added_to_the_list_alone(monkeypatch):
    longest = Section(
        "longest",
        "The longest item",
        lambda view: [paragraph(max(view.experiment["items"]))] if view.cells else [],
    )
    monkeypatch.setattr(sections, "SECTIONS", (longest, *sections.SECTIONS))
    page = made(small())
    assert page.sections()[:2] == ["The longest item", "What was measured"]
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
    assert page.one("h1")["text"] == "Does fine-tuning beat prompting?"
    ids = [element["id"] for element in page.elements if element.get("id")]
    assert len(ids) == len(set(ids))


def test_the_answer_its_decision_and_its_evidence_lead(imdb):
    assert imdb.one("p", class_="answer")["text"].startswith("Fine-tune: smollm2-135m on 2,000")
    assert imdb.one("p", class_="decision")["text"] == "Decision: fine-tune"
    assert imdb.one("ul", class_="evidence")["text"].count("\n") == 3


def test_without_an_answer_the_heading_is_neutral():
    page = made(small())
    assert page.sections()[0] == "What was measured"
    assert not page.all("p", class_="answer")


def test_numbers_are_written_as_in_the_results():
    first, second = small(100)["cells"]
    page = made(document([first, second], uplifts=[uplift(second, first, mid_p=4.6e-06)]))
    assert f"{first['accuracy']:.3f}" in page.words()
    assert f"{first['ci_low']:.3f} to {first['ci_high']:.3f}" in page.words()
    difference = second["accuracy"] - first["accuracy"]
    assert f"{difference:+.3f} {difference - 0.1:+.3f} to {difference + 0.1:+.3f}" in page.words()
    assert "<0.0001" in page.words()


def test_charts_say_what_they_show_and_have_a_table(imdb):
    charts = imdb.all("svg")
    assert len(charts) == 4 + 3
    for chart in charts:
        assert chart["role"] == "img"
        title, description = chart["aria-labelledby"].split()
        assert imdb.one("title", id=title)["text"]
        assert "table" in imdb.one("desc", id=description)["text"]


def test_charts_have_no_style_of_their_own(imdb):
    drawn = "".join(re.findall(r"<svg.*?</svg>", imdb.source, re.DOTALL))
    assert "ft2000-label_logprobs" in drawn
    assert not re.search(r"#|style|fill|stroke|font|url", drawn)
    sheet = imdb.one("style")["text"]
    used = {name for found in re.findall(r'class="([^"]*)"', drawn) for name in found.split()}
    assert used >= {"line", "mark", "hollow", "reference", "grid", "series-1", "series-5", "dash-2"}
    # A series' first dashes are none.
    assert {name for name in used - {"dash-1"} if f".{name}" not in sheet} == set()


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
        write_report(json.loads(json.dumps(results)), tmp_path / name)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&$x_1$"


def test_nothing_in_the_results_becomes_markup(monkeypatch):
    first = cell(EVIL, 3, server=EVIL, fine_tuned_model=EVIL, verdict=EVIL)
    second = cell(EVIL, 3, size=300, job=EVIL)
    gate = {"gate": EVIL, "value": 1, "limit": 2, "mode": EVIL, "verdict": EVIL, "sentence": EVIL}
    first["gates"] = [gate]
    named = {"experiment": "imdb"}
    results = document(
        [first, second],
        experiments=[
            experiment(3, labels=[EVIL, "b"], items=[EVIL, "1", "2"], skipped=[{"reason": EVIL}])
        ],
        uplifts=[uplift(second, first)],
        jobs=[job(EVIL, 300) | {"served": EVIL, "hyperparameters": {EVIL: EVIL}}],
        answers=[named | {"sentence": EVIL, "evidence": [EVIL], "decision": EVIL}],
        data_needs=[named | {"sentence": EVIL}],
        break_evens=[named | {"sentence": EVIL}],
        errors=[named | {"cell": EVIL, "error": EVIL}, {"cell": EVIL, "error": EVIL}],
        rivals=[named | dict(first, model=EVIL, train_size=300) | {"cell": None}],
    )
    page = Page(report(results, texts={EVIL: EVIL}))
    assert len(page.all("script")) == 2
    assert not page.all("img")
    assert not [e for e in page.elements if any(name.startswith("on") for name in e)]
    assert page.words().count("alert(1)") > 30
    data = json.loads(page.one("script", type="application/json")["text"])
    assert data["items"][0] == EVIL


@pytest.mark.parametrize(
    "left_out",
    ["experiments", "uplifts", "errors", "jobs", "rivals", "answers", "data_needs", "cells"],
)
def test_a_part_may_be_missing_or_null(left_out):
    results = imdb_like(4)
    for value in (None, []):
        made(results | {left_out: value})
    del results[left_out]
    page = made(results)
    assert "None" not in page.words()


OPTIONAL = (
    "correct", "unread", "majority_rate", "min_accuracy", "verdict", "prompt_tokens",
    "completion_tokens", "latency_ms_median", "cassette", "recorded_at", "server", "job",
    "fine_tuned_model", "trained_tokens", "training_seconds", "predictions", "prompt_sha256",
    "balanced_accuracy", "macro_f1", "matthews", "decision_rule", "shots", "train_size",
)  # fmt: skip


@pytest.mark.parametrize("name", OPTIONAL)
def test_a_value_of_a_cell_may_be_missing_or_null(name):
    results = small()
    for one in results["cells"]:
        one[name] = None
    assert "None" not in made(results).words()
    for one in results["cells"]:
        del one[name]
    assert "None" not in made(results).words()


def test_the_least_that_results_can_hold():
    assert "The results have no experiment." in made({"version": 2}).words()


def test_without_answers_by_item_the_page_says_so():
    page = made(small() | {"experiments": [{"name": "imdb"}]})
    assert "The results have no answers by item." in page.words()


@pytest.mark.parametrize("skill", [0.0, 1.0], ids=["all wrong", "all right"])
@pytest.mark.parametrize("n", [1, 20])
def test_extremes_are_drawn(skill, n):
    first, second = cell("tiny", n, skill=skill), cell("tiny", n, size=300, skill=skill)
    page = Page(report(document([first, second], uplifts=[uplift(second, first)])))
    assert len(page.all("svg")) == 4
    assert "nan" not in page.source.partition("<main")[2].partition("<script")[0]
    assert f"{skill:.3f}" in page.words()


def test_costs_take_the_place_of_tokens_where_they_are_known():
    cells = [
        cell("tiny", 3, cost_per_1000=0.5, currency="EUR"),
        cell("tiny", 3, size=300, cost_per_1000=0, currency="EUR", training_cost=3),
    ]
    page = Page(report(document(cells)))
    assert "Accuracy against cost" in page.sections()
    assert "cost of 1,000 answers, EUR" in page.source
    assert "no prices" not in page.words()


def test_confusion_is_counted_where_the_results_do_not_state_it():
    one = cell("tiny", 4, predictions=[0, 1, None, 1])
    page = made(document([one], experiments=[experiment(4, label_ids=[0, 0, 1, 1])]))
    matrix = page.one("table", class_="matrix")
    assert matrix["text"].split()[-8:] == ["Negative", *"110", "Positive", *"011"]


def test_the_stated_confusion_is_shown():
    page = made(document([cell("tiny", 4, confusion=[[7, 8, 9], [1, 2, 3]])]))
    assert "7 8 9" in page.one("table", class_="matrix")["text"]


def test_items_show_marks_as_text_and_the_prompts_hash():
    one = cell("tiny", 3, predictions=[0, 1, None], prompt_sha256=["ab" * 32] * 3)
    page = made(document([one], experiments=[experiment(3, label_ids=[0, 0, 1])]))
    answers = page.one("table", class_="answers")["text"]
    assert "✓ Negative right" in answers
    assert "✗ Positive wrong" in answers
    assert "– no label" in answers
    assert "abababab" in answers
    assert "ababababa" not in answers
    assert "1 of 1" in answers


def test_texts_are_there_only_when_given():
    item = "movie-reviews/00001"
    assert "a fine film" not in made(small()).source
    page = made(small(), texts={item: "a fine film"})
    assert "a fine film" in page.one("table", class_="answers")["text"]
    data = json.loads(page.one("script", type="application/json")["text"])
    assert data["texts"] == ["", "a fine film", ""]


def test_errors_are_shown():
    page = made(small(errors=[{"experiment": "imdb", "cell": "tiny-9shot", "error": "no such"}]))
    assert page.sections()[-1] == "Errors"
    assert "tiny-9shot no such" in page.words()


def test_a_thousand_cells_give_whole_tables_and_bounded_charts():
    page = Page(report(many(50, 20, 100)))
    assert "The chart shows the 60 of highest accuracy of 1,000 cells" in page.words()
    assert len(page.all("svg")) == 4
    captions = {e["text"]: e["in"][-1][1] for e in page.all("caption")}
    assert captions["Accuracy of every cell"]["text"].count("model-") == 1000
    shown = captions["Answers by item"]["text"]
    assert shown.count("movie-reviews/") == 100
    assert "the first 24 of 1,000 cells" in page.one("noscript")["text"]
    data = json.loads(page.one("script", type="application/json")["text"])
    assert len(data["cells"]) == 1000
    assert len(data["hashes"]) == 10
    assert len(page.source.encode()) < 2_000_000


def test_more_labels_than_digits_are_kept():
    labels = [f"label {number}" for number in range(70)]
    one = cell("tiny", 2, predictions=[69, None])
    page = made(document([one], experiments=[experiment(2, labels=labels, label_ids=[69, 0])]))
    assert "✓ label 69" in page.words()
    data = json.loads(page.one("script", type="application/json")["text"])
    assert data["cells"][0]["answers"] == [69, -1]


@pytest.mark.parametrize("losses", [[12.0, 0.1, 0.05], [1.0, 0.9, 0.8], [1.0, 0.0, 0.5]])
def test_losses_of_many_sizes_stay_readable(losses):
    curve = [{"step": step, "training_loss": loss} for step, loss in enumerate(losses)]
    page = report(small(jobs=[job("tiny", 300) | {"curve": curve}]))
    assert ("loss, logarithmic" in page) == (losses[0] == 12)


def test_names_that_xml_cannot_hold_or_that_look_like_formulas_are_drawn():
    page = Page(report(document([cell("a\x00b$\\frac$", 3), cell("模型", 3, size=300)])))
    assert len(page.all("svg")) == 3


def test_a_lone_surrogate_is_written(tmp_path):
    write_report(small(errors=[{"cell": "\ud800", "error": "x"}]), tmp_path / "r.html")
    assert "\\ud800" in (tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("results", "sentence"),
    [
        (
            {"version": 1, "cells": []},
            "these are not results of version 2 or 3; write the results again with",
        ),
        ({"version": 3, "cells": [3]}, "'cells' must be a list of objects; write"),
        ({"version": 3, "cells": {}}, None),
        ({"version": 3, "cells": [{"cell": "a"}]}, "entry 1 of 'cells' has no 'experiment'"),
        ({"version": 3, "uplifts": "abc"}, "'uplifts' must be a list of objects; write"),
    ],
)
def test_wrong_results_are_an_error(results, sentence):
    if sentence is None:
        made(results)
        return
    with pytest.raises(ResultsError, match=re.escape(sentence)):
        report(results)


def test_a_page_that_cannot_be_made_leaves_the_old_one(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(ResultsError):
        write_report({"version": 1}, path)
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
