"""The geometry of the page's charts, read from their SVG."""

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tunebench.reports.page.charts import (
    Estimate,
    Point,
    curve_chart,
    interval_chart,
    sizes_chart,
    spent_chart,
    unbeaten,
)
from tunebench.reports.page.charts.svg import WIDTH, Scale, shortened


class Drawn:
    """The marks, lines and texts of a chart by their classes."""

    def __init__(self, chart):
        svg = ET.fromstring(chart.svg("c", "a title", "a description"))
        self.width, self.height = map(float, svg.attrib["viewBox"].split()[2:])
        self.elements = list(svg)

    def circles(self, *classes):
        """The middles of circles, without the legend's."""
        return [
            (float(e.attrib["cx"]), float(e.attrib["cy"]))
            for e in self.elements
            if e.tag == "circle"
            and float(e.attrib["cy"]) > 25
            and set(classes) <= {*e.attrib["class"].split()}
        ]

    def lines(self, *classes):
        found = (e.attrib for e in self.elements if e.tag == "path")
        lines = [a["d"] for a in found if {"line", *classes} <= {*a["class"].split()}]
        numbers = [[float(x) for x in re.findall(r"-?[\d.]+", line)] for line in lines]
        return [list(zip(n[::2], n[1::2], strict=True)) for n in numbers]

    def texts(self):
        return {
            e.text: (float(e.attrib["x"]), float(e.attrib["y"]))
            for e in self.elements
            if e.tag == "text"
        }


def estimate(value, low, high, *, kind="a", group="g", label="l"):
    return Estimate(group, label, kind, value, low, high)


def point(x, y, *, series="s", tuned=True, label="cell"):
    return Point(series, label, x, y, y - 0.1, y + 0.1, tuned)


def intervals(*estimates, line=None):
    chart = interval_chart(estimates, ["a", "b"], title="t", form=".2f", limits=(0, 1), line=line)
    return Drawn(chart)


def test_a_mark_and_its_interval_lie_on_the_axis_by_their_values():
    drawn = intervals(estimate(0.5, 0.25, 0.75), estimate(0.25, 0, 1))
    (x, y), (other, below) = drawn.circles()
    first, second = (line for line in drawn.lines("series-1") if line[0][1] > 25)
    half = first[1][0] - x
    assert first == [(pytest.approx(x - half, abs=0.2), y), (x + half, y)]
    assert second[0] == (pytest.approx(x - 2 * half, abs=0.2), below)
    assert second[1] == (pytest.approx(x + 2 * half, abs=0.2), below)
    assert other == pytest.approx(x - half, abs=0.2)
    assert below > y
    texts = drawn.texts()
    assert texts["0.50"][1] == pytest.approx(y + 4.5, abs=0.1)
    assert texts["0.6"][0] == pytest.approx(x + 0.4 * half, abs=0.2)


def test_the_dashed_line_stands_at_its_value_and_is_in_the_legend():
    drawn = intervals(estimate(0.5, 0.4, 0.6), line=(0.5, "majority label"))
    legend, line = drawn.lines("reference")
    assert line[0][0] == line[1][0] == drawn.circles()[0][0]
    assert drawn.texts()["majority label"][1] == pytest.approx(legend[0][1] + 4.5)


def test_the_legend_names_the_kinds_that_are_there_and_wraps():
    kinds = [f"kind number {number} of a long name" for number in range(8)]
    points = [point(x, 0.5, series=kind) for kind in kinds for x in (10, 100)]
    texts = Drawn(spent_chart(points, "cost")).texts()
    assert len({texts[kind][1] for kind in kinds}) > 1
    assert all(texts[kind][0] + 7 * len(kind) < WIDTH for kind in kinds)
    drawn = intervals(estimate(0.5, 0, 1), estimate(0.5, 0, 1, group="h", label="m"))
    assert {"a", "g", "h", "l", "m"} < drawn.texts().keys()
    assert "b" not in drawn.texts()


def test_sizes_are_on_a_logarithmic_axis_with_prompts_apart():
    points = [point(0, 0.5, tuned=False), point(100, 0.6), point(1000, 0.7), point(10_000, 0.9)]
    drawn = Drawn(sizes_chart(points, 0.55))
    (prompt,) = drawn.circles("hollow")
    tuned = [at for at in drawn.circles() if at != prompt]
    assert prompt[0] < tuned[0][0]
    assert tuned[1][0] - tuned[0][0] == pytest.approx(tuned[2][0] - tuned[1][0], abs=0.2)
    assert tuned[0][1] > tuned[1][1] > tuned[2][1]
    (curve,) = (line for line in drawn.lines("dash-1") if len(line) == 3)
    assert curve == tuned
    texts = drawn.texts()
    assert texts["10,000"][0] == tuned[2][0]
    assert texts["0 (best prompt)"][0] == prompt[0]


def test_labels_that_would_touch_are_left_out():
    points = [point(x, 0.5) for x in (1000, 1001, 1002, 5000)]
    texts = Drawn(sizes_chart(points, None)).texts()
    assert {"1,000", "5,000"} < texts.keys()
    assert "1,001" not in texts


def test_the_cells_that_none_beats_for_less_are_joined_and_named():
    points = [
        point(1, 0.5, label="cheap"),
        point(2, 0.4, label="beaten"),
        point(3, 0.9, label="best"),
        point(3, 0.8, label="as dear"),
    ]
    assert [one.label for one in unbeaten(points)] == ["cheap", "best"]
    drawn = Drawn(spent_chart(points, "cost"))
    assert {"cheap", "best"} < drawn.texts().keys()
    assert not {"beaten", "as dear"} & drawn.texts().keys()
    steps = drawn.lines("reference")[-1]
    marks = drawn.circles()
    assert (steps[0], steps[-1]) == (marks[0], marks[2])
    assert steps[1] == (marks[2][0], marks[0][1])


@pytest.mark.parametrize("spent", [[0, 0], [0, 1], [5, 5], [1e-9, 2e-9], [1, 1e6]])
def test_any_costs_can_be_drawn(spent):
    drawn = Drawn(spent_chart([point(x, 0.5) for x in spent], "cost"))
    assert all(0 <= x <= drawn.width and 0 <= y <= drawn.height for x, y in drawn.circles())


@pytest.mark.parametrize(
    "steps",
    [
        [{"step": 1}],
        [{"step": 1, "training_loss": 0.0}],
        [{"step": 7, "training_loss": 9.0, "validation_loss": 0.01}],
        [{"step": step, "classification/accuracy": 0.5} for step in range(3)],
    ],
)
def test_any_curve_can_be_drawn(steps):
    drawn = Drawn(curve_chart(steps))
    ends = [end for line in drawn.lines() for end in line]
    assert all(0 <= x <= drawn.width and 0 <= y <= drawn.height for x, y in ends)
    assert ("validation accuracy" in drawn.texts()) == ("classification/accuracy" in steps[0])


finite = st.floats(-1e6, 1e6)


@given(low=finite, high=finite, log=st.booleans())
def test_ticks_are_few_round_and_within_the_scale(low, high, log):
    if log:
        low, high = abs(low) + 1e-6, abs(high) + 1e-6
    assume(high - low > 1e-6 * max(abs(low), abs(high), 1e-3))
    scale = Scale(low, high, 0, 100, log)
    ticks = scale.ticks()
    assert ticks == sorted(ticks)
    assert all(low <= tick <= high for tick in ticks)
    assert all(-1e-6 <= scale(tick) <= 100 + 1e-6 for tick in ticks)
    if not log:
        assert 2 <= len(ticks) <= 9


@pytest.mark.parametrize(
    ("scale", "ticks"),
    [
        (Scale(-0.01, 1.01, 0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (Scale(0, 0.7, 0, 1), [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]),
        (Scale(-3, 60, 0, 1), [0, 10, 20, 30, 40, 50, 60]),
        (Scale(0.2, 30, 0, 1, log=True), [0.2, 0.5, 1, 2, 5, 10, 20]),
    ],
)
def test_ticks_are_decimals_as_one_writes_them(scale, ticks):
    assert scale.ticks() == ticks


def test_names_are_shortened_and_hold_what_xml_can_hold():
    assert shortened("a\x00b \n c") == "a b c"
    assert shortened("x" * 60) == "x" * 47 + "…"
