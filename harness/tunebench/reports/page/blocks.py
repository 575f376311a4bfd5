"""The blocks that a section is made of: paragraphs, notes, facts, lists, tables and charts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Row = Mapping[str, Any]
    # Title, whether its values are numbers, and the text of a row's value.
    Column = tuple[str, bool, Callable[[Row], str]]

NOTHING = "–"


def paragraph(text: str, kind: str | None = None) -> Markup:
    """A paragraph; `kind` is its class in page.css, such as ``note``."""
    start = Markup('<p class="{}">').format(kind) if kind else Markup("<p>")
    return start + text + Markup("</p>")


def bullets(texts: Iterable[str], kind: str = "plain") -> Markup:
    """A list."""
    items = Markup("").join(Markup("<li>{}</li>\n").format(text) for text in texts)
    return Markup('<ul class="{}">\n{}</ul>').format(kind, items)


def facts(pairs: Iterable[tuple[str, str]], kind: str = "facts") -> Markup:
    """Names with their values."""
    entry = Markup("<div><dt>{}</dt><dd>{}</dd></div>\n")
    return Markup('<dl class="{}">\n{}</dl>').format(
        kind, Markup("").join(entry.format(*pair) for pair in pairs)
    )


def folded(summary: str, *blocks: Markup) -> Markup:
    """Blocks that are shown on demand."""
    return Markup("<details>\n<summary>{}</summary>\n{}\n</details>").format(
        summary, Markup("\n").join(blocks)
    )


def figure(drawing: Markup) -> Markup:
    """A chart."""
    return Markup(
        '<figure><div class="scroll drawing" role="group" tabindex="0" aria-label="Chart">'
        "{}</div></figure>"
    ).format(drawing)


def table(name: str, caption: str, columns: Sequence[Column], rows: Iterable[Row]) -> Markup:
    """A table; the first column names the row.

    Args:
        name: the id of its caption.
        caption: what it shows.
        columns: its columns.
        rows: a row of the table for each.
    """
    number = [Markup(' class="n"') if numeric else "" for _, numeric, _ in columns]
    head = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(attribute, title)
        for attribute, (title, _, _) in zip(number, columns, strict=True)
    )
    cells = [Markup('<th scope="row">{}</th>')]
    cells += [Markup(f"<td{attribute}>{{}}</td>") for attribute in number[1:]]
    body = Markup("").join(
        Markup("<tr>{}</tr>\n").format(
            Markup("").join(
                cell.format(write(row)) for cell, (_, _, write) in zip(cells, columns, strict=True)
            )
        )
        for row in rows
    )
    return Markup(
        '<div class="scroll" role="group" tabindex="0" aria-labelledby="{0}">\n<table>\n'
        '<caption id="{0}">{1}</caption>\n<thead><tr>{2}</tr></thead>\n<tbody>\n{3}</tbody>\n'
        "</table>\n</div>"
    ).format(name, caption, head, body)


def column(title: str, key: str, form: str | None = None) -> Column:
    """A column of one field of the rows; with a format its values are numbers."""
    return title, form is not None, lambda row: written(row.get(key), form or "")


def written(value: Any, form: str = "") -> str:
    """A value as text; a dash if it is not known."""
    if value is None or value == "":
        return NOTHING
    if form and not isinstance(value, (int, float)):
        return str(value)
    return format(value, form)


def interval(row: Row, form: str = ".3f") -> str:
    """The ends of a row's interval."""
    return f"{written(row.get('ci_low'), form)} to {written(row.get('ci_high'), form)}"


def some(rows: Sequence[Any], most: int, key: Callable[[Any], float]) -> list[Any]:
    """The rows with the lowest keys, at most so many, in the order that they had."""
    chosen = sorted(range(len(rows)), key=lambda i: (key(rows[i]), i))[:most]
    return [rows[i] for i in sorted(chosen)]


def bounded(shown: Sequence[Any], rows: Sequence[Any], which: str, what: str) -> list[Markup]:
    """A note where a chart does not show all rows."""
    if len(shown) == len(rows):
        return []
    text = f"The chart shows the {len(shown):,} {which} of {len(rows):,} {what}; the table has all."
    return [paragraph(text, "note")]
