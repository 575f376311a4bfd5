"""The geometry of the page's charts, read from their SVG."""

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tunebench.reports.page.charts import (
    Dot,
    Key,
    Point,
    curve_chart,
    dot_chart,
    dot_keys,
    reliability_chart,
    sizes_chart,
    spent_chart,
    unbeaten,
)
from tunebench.reports.page.charts.svg import Scale, shortened


def number(position):
    return float(position.removesuffix("%"))


class Drawn:
    """The marks, lines and texts of a chart by their classes; x is in per cent."""

    def __init__(self, chart):
        svg = ET.fromstring(chart.svg("c", "a title", "a description"))
        assert svg.attrib["width"] == "100%"
        self.width, self.height = 100, float(svg.attrib["height"])
        self.elements = list(svg)

    def circles(self, *classes):
        """The middles of circles."""
        return [
            (number(e.attrib["cx"]), float(e.attrib["cy"]))
            for e in self.elements
            if e.tag == "circle" and set(classes) <= {*e.attrib["class"].split()}
        ]

    def lines(self, *classes):
        """The ends of straight lines."""
        found = (e.attrib for e in self.elements if e.tag == "line")
        return [
            [(number(a[f"x{i}"]), float(a[f"y{i}"])) for i in (1, 2)]
            for a in found
            if {"line", *classes} <= {*a["class"].split()}
        ]

    def texts(self):
        return {
            e.text: (number(e.attrib["x"]), float(e.attrib["y"]))
            for e in self.elements
            if e.tag == "text" and e.text
        }

    def labels(self):
        """The lines of each row's name."""
        return [[line.text for line in e] for e in self.elements if e.tag == "text" and len(e)]


def dot(value, low, high, *, kind="fine-tuned", label="l", runs=(), strong=False):
    return Dot(label, kind, value, low, high, runs, strong)


def point(x, y, *, series="s", label="cell"):
    return Point(series, label, x, y, y - 0.1, y + 0.1)


def dots(*rows, line=None):
    return Drawn(dot_chart(rows, title="t", form=".2f", limits=(0, 1), line=line))


def test_a_mark_and_its_interval_lie_on_the_axis_by_their_values():
    drawn = dots(dot(0.5, 0.25, 0.75), dot(0.25, 0, 1))
    (x, y), (other, below) = drawn.circles("series-1")
    first, second = drawn.lines("whisker", "series-1")
    assert (x, other) == (50, 25)
    assert first == [(25, y), (75, y)]
    assert second == [(0, below), (100, below)]
    assert below > y
    texts = drawn.texts()
    assert texts["0.50"] == (100, pytest.approx(y + 4.5, abs=0.1))
    assert texts["0.6"][0] == 60


def test_the_dashed_line_stands_at_its_value():
    (line,) = dots(dot(0.5, 0.4, 0.6), line=0.3).lines("reference")
    assert line[0][0] == line[1][0] == 30


def test_each_training_is_a_faint_dot_on_the_row():
    drawn = dots(dot(0.5, 0.4, 0.6, runs=(0.45, 0.55)), dot(0.7, 0.6, 0.8, runs=(0.7,)))
    assert [x for x, _ in drawn.circles("run")] == [45, 55]
    assert len({y for _, y in drawn.circles()}) == 2


def test_the_legend_names_the_kinds_that_are_there():
    rows = [dot(0.5, 0, 1, kind="constant"), dot(0.5, 0, 1, runs=(0.4, 0.6))]
    assert [key.name for key in dot_keys(rows)] == ["fine-tuned", "constant", "one training"]
    assert [key.name for key in dot_keys(rows[:1])] == ["constant"]
    every = dot_keys([dot(0, 0, 0, kind=k) for k in ("fine-tuned", "prompt", "rival", "constant")])
    assert len({key.mark for key in every}) == len({key.classes for key in every}) == 4


def test_long_names_take_a_second_line_and_a_higher_row():
    rows = [dot(0.5, 0, 1, label="short"), dot(0.5, 0, 1, label="a long word " * 4), dot(0, 0, 0)]
    drawn = dots(*rows)
    assert [len(lines) for lines in drawn.labels()] == [1, 2, 1]
    (_, first), (_, second), (_, third) = drawn.circles()
    assert second - first > third - second
    (shown,) = dots(dot(0.5, 0, 1, label="endless" * 40)).labels()
    assert all(len(line) <= 40 for line in shown)
    assert shown[-1].endswith("…")
    (wide,) = dots(dot(0.5, 0, 1, label="模型" * 30)).labels()
    assert all(len(line) <= 22 for line in wide)


def test_sizes_are_on_a_logarithmic_axis_between_horizontal_lines():
    points = [point(100, 0.6), point(1000, 0.7), point(10_000, 0.9)]
    line = (Key("line", "reference", "the constant"), 0.55)
    chart, keys = sizes_chart(points, [line])
    drawn = Drawn(chart)
    tuned = drawn.circles()
    assert tuned[1][0] - tuned[0][0] == pytest.approx(tuned[2][0] - tuned[1][0], abs=0.2)
    assert tuned[0][1] > tuned[1][1] > tuned[2][1]
    assert drawn.lines("dash-1") == [tuned[:2], tuned[1:]]
    assert drawn.texts()["10,000"][0] == tuned[2][0]
    ((start, end),) = drawn.lines("reference")
    assert (start[0], end[0]) == (0, 100)
    assert start[1] == end[1] > tuned[0][1]
    assert [key.name for key in keys] == ["the constant", "s"]


def test_labels_that_would_touch_are_left_out():
    points = [point(x, 0.5) for x in (1000, 1001, 1002, 5000)]
    texts = Drawn(sizes_chart(points, [])[0]).texts()
    assert {"1,000", "5,000"} < texts.keys()
    assert "1,001" not in texts


def test_the_options_that_none_beats_for_less_are_joined_and_numbered():
    points = [
        point(10, 0.5, series="fine-tuned", label="cheap"),
        point(20, 0.4, series="fine-tuned", label="beaten"),
        point(30, 0.9, series="fine-tuned", label="best"),
        point(30, 0.8, series="fine-tuned", label="as dear"),
    ]
    assert [one.label for one in unbeaten(points)] == ["cheap", "best"]
    drawn = Drawn(spent_chart(points, "cost"))
    marks, texts = drawn.circles(), drawn.texts()
    assert texts["1"] == (marks[0][0], pytest.approx(marks[0][1] - 8.5, abs=0.1))
    assert texts["2"][0] == marks[2][0]
    assert "3" not in texts
    steps = drawn.lines("reference")
    assert (steps[0][0], steps[-1][1]) == (marks[0], marks[2])
    assert steps[0][1] == steps[1][0] == (marks[2][0], marks[0][1])


def test_numbers_of_near_points_do_not_overprint():
    points = [point(100 + x / 10, 0.5 + x / 1000, series="prompt") for x in range(4)]
    points.append(point(900, 0.4, series="rival"))
    texts = Drawn(spent_chart(points, "cost")).texts()
    heights = [texts[number][1] for number in "1234"]
    assert all(above - below >= 14.9 for above, below in pairwise(heights))


@pytest.mark.parametrize("spent", [[0, 0], [0, 1], [5, 5], [1e-9, 2e-9], [1, 1e6]])
def test_any_costs_can_be_drawn(spent):
    drawn = Drawn(spent_chart([point(x, 0.5, series="fine-tuned") for x in spent], "cost"))
    assert all(0 <= x <= drawn.width and 0 <= y <= drawn.height for x, y in drawn.circles())


@pytest.mark.parametrize("curve", [[(1, 0.0)], [(7, 9.0), (8, 0.01)], [(0, -1.0), (1, -2.0)]])
def test_any_curve_can_be_drawn(curve):
    chart, keys = curve_chart({"a": [curve], "b": [curve, curve]}, "loss")
    drawn = Drawn(chart)
    ends = [end for line in drawn.lines() for end in line] + drawn.circles()
    assert all(0 <= x <= drawn.width and 0 <= y <= drawn.height for x, y in ends)
    assert [key.name for key in keys] == ["a", "b"]


def test_where_probabilities_are_right_the_curve_is_the_diagonal():
    drawn = Drawn(reliability_chart([(0, 0), (0.6, 0.6), (1, 1)]))
    ((start, end),) = drawn.lines("reference")
    curve = drawn.circles()
    assert (curve[0], curve[-1]) == (start, end)
    share = (curve[1][1] - start[1]) / (end[1] - start[1])
    assert curve[1][0] == 60
    assert share == pytest.approx(0.6, abs=0.01)


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
    assert shortened("x" * 60, 48) == "x" * 47 + "…"
