"""The blocks that a section is made of: paragraphs, notes, facts, lists, tables and charts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from markupsafe import Markup

from tunebench.reports.page.charts import Chart

if TYPE_CHECKING:
    from tunebench.reports.page.charts import Key

NOTHING = "–"
T = TypeVar("T")
# Title, whether its values are numbers, and the text of a row's value.
Column = tuple[str, bool, Callable[[T], str]]


def paragraph(text: str, kind: str | None = None) -> Markup:
    """A paragraph; `kind` is its class in page.css, such as ``note``."""
    start = Markup('<p class="{}">').format(kind) if kind else Markup("<p>")
    return start + text + Markup("</p>")


def bullets(texts: Iterable[str], kind: str = "plain", tag: str = "ul") -> Markup:
    """A list; with the tag ``ol`` it is numbered."""
    items = Markup("").join(Markup("<li>{}</li>\n").format(text) for text in texts)
    return Markup('<{0} class="{1}">\n{2}</{0}>').format(tag, kind, items)


def facts(pairs: Iterable[tuple[str, str]], kind: str = "facts") -> Markup:
    """Names with their values."""
    entry = Markup("<div><dt>{}</dt><dd>{}</dd></div>\n")
    return Markup('<dl class="{}">\n{}</dl>').format(
        kind, Markup("").join(entry.format(*pair) for pair in pairs)
    )


def group(kind: str, *blocks: Markup) -> Markup:
    """Blocks in an element of a class of page.css; `split` puts a chart beside its text."""
    return Markup('<div class="{}">\n{}\n</div>').format(kind, Markup("\n").join(blocks))


def folded(summary: str, *blocks: Markup) -> Markup:
    """Blocks that are shown on demand."""
    return Markup("<details>\n<summary>{}</summary>\n{}\n</details>").format(
        summary, Markup("\n").join(blocks)
    )


def legend(keys: Iterable[Key]) -> Markup:
    """The marks and lines of a chart with their meaning."""
    entry = Markup('<li><svg width="22" height="14" aria-hidden="true">{}</svg> {}</li>\n')
    items = Markup("").join(entry.format(Chart.of_key(key), key.name) for key in keys)
    return Markup('<ul class="legend">\n{}</ul>').format(items)


def figure(drawing: Markup, keys: Iterable[Key] = (), caption: str = "") -> Markup:
    """A chart below its legend; `keys` are the legend's."""
    above = Markup("<figcaption>{}</figcaption>\n").format(caption) if caption else Markup("")
    keys = list(keys)
    return Markup('<figure>\n{}{}<div class="drawing">{}</div>\n</figure>').format(
        above, legend(keys) if keys else "", drawing
    )


def table(name: str, caption: str, columns: Sequence[Column[T]], rows: Iterable[T]) -> Markup:
    """A table; the first column names the row, and a column of nothing is left out.

    Args:
        name: the id of its caption.
        caption: what it shows.
        columns: its columns.
        rows: a row of the table for each.
    """
    texts = [[write(row) for _, _, write in columns] for row in rows]
    shown = [i for i in range(len(columns)) if not i or any(row[i] != NOTHING for row in texts)]
    number = [Markup(' class="n"' if numeric else "") for _, numeric, _ in columns]
    head = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(number[i], columns[i][0]) for i in shown
    )
    body = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>\n').format(
            row[0],
            Markup("").join(Markup("<td{}>{}</td>").format(number[i], row[i]) for i in shown[1:]),
        )
        for row in texts
    )
    return Markup(
        '<div class="scroll" role="group" tabindex="0" aria-labelledby="{0}">\n<table>\n'
        '<caption id="{0}">{1}</caption>\n<thead><tr>{2}</tr></thead>\n<tbody>\n{3}</tbody>\n'
        "</table>\n</div>"
    ).format(name, caption, head, body)


def words(title: str, value: Callable[[T], str | None]) -> Column[T]:
    """A column of texts."""
    return title, False, lambda row: written(value(row))


def numbers(title: str, form: str, value: Callable[[T], float | None]) -> Column[T]:
    """A column of numbers in a format."""
    return title, True, lambda row: written(value(row), form)


def written(value: str | float | None, form: str = "") -> str:
    """A value as text; a dash if it is not known."""
    return NOTHING if value is None or value == "" else format(value, form)


def interval(low: float, high: float, form: str = ".3f") -> str:
    """The ends of an interval."""
    return f"{low:{form}} to {high:{form}}"


def some(rows: Sequence[T], most: int, key: Callable[[T], float]) -> list[T]:
    """The rows with the lowest keys, at most so many, in the order that they had."""
    chosen = sorted(range(len(rows)), key=lambda i: (key(rows[i]), i))[:most]
    return [rows[i] for i in sorted(chosen)]


def bounded(shown: int, total: int, which: str, what: str) -> list[Markup]:
    """A note where a chart does not show all rows."""
    if shown == total:
        return []
    text = f"The chart shows the {shown:,} {which} of {total:,} {what}; the table has all."
    return [paragraph(text, "note")]
