"""``tunebench compare``: two runs' results, cell by cell on the texts that both have.

``--json`` prints one object: ``a`` and ``b`` are the paths; ``only_a`` and ``only_b`` list the
cells that one has alone, as ``experiment`` and ``cell``; ``cells`` has of each in both also ``n``
(texts in common), ``n_a``, ``n_b``, ``accuracy_a``, ``accuracy_b``, ``difference`` (B's minus
A's) with ``ci_low``, ``ci_high`` and ``p``, and the items that were ``lost`` and ``gained``.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Click needs it
from typing import TYPE_CHECKING, Any

import click

from tunebench.cli.commands import ExistingPath, json_option, print_json
from tunebench.errors import ResultsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tunebench.reports import Judgements


@click.command()
@click.argument("a", type=ExistingPath(), is_eager=True)
@click.argument("b", type=ExistingPath(), is_eager=True)
@json_option
def compare(a: Path, b: Path, as_json: bool) -> None:
    """Compare two results cell by cell, on the texts that both have.

    Shows accuracies, their paired difference and which answers changed. A and B are folders that
    `pytest --results` wrote, or their results.json.
    """
    from tunebench.analysis import compared_lines
    from tunebench.reports import read_results

    documents = [read_results(path) for path in (a, b)]
    versions = [document["version"] for document in documents]
    if versions[0] != versions[1]:
        raise ResultsError(
            f"{a} has version {versions[0]} and {b} version {versions[1]}",
            hint="write the older one again with `pytest --results DIR`",
        )
    found = _compared(documents, (a, b))
    if as_json:
        print_json(found)
    else:
        print("\n".join(compared_lines(found)))


def _compared(documents: list[dict[str, Any]], paths: tuple[Path, Path]) -> dict[str, Any]:
    from tunebench.reports import judgements_of, waited_for

    first, second = (
        judgements_of(document, path) for document, path in zip(documents, paths, strict=True)
    )
    _check_labels(documents, paths)
    groups = {
        about["name"]: dict(zip(about["items"], about["groups"], strict=True))
        for about in documents[0]["experiments"]
        if about.get("groups")
    }
    # In the order of A, which is that of its experiments' cells.
    both = [key for key in first if key in second]
    if not both:
        raise UsageError(
            f"{paths[0]} and {paths[1]} have no cell in common",
            hint="name two runs of one experiment",
        )
    shown = waited_for(both, "compare", "cell")
    return {
        "a": str(paths[0]),
        "b": str(paths[1]),
        "cells": [_cell(key, first[key], second[key], groups.get(key[0]), paths) for key in shown],
        "only_a": [_named(key) for key in first if key not in second],
        "only_b": [_named(key) for key in second if key not in first],
    }


def _check_labels(documents: list[dict[str, Any]], paths: tuple[Path, Path]) -> None:
    labels, others = (
        {about["name"]: about["labels"] for about in document["experiments"]}
        for document in documents
    )
    for name in labels.keys() & others.keys():
        if labels[name] != others[name]:
            raise UsageError(
                f"the experiment {name!r} has the labels {', '.join(labels[name])} in {paths[0]} "
                f"and {', '.join(others[name])} in {paths[1]}",
                hint="compare runs of one task",
            )


def _cell(
    key: tuple[str, str],
    first: Judgements,
    second: Judgements,
    groups: Mapping[str, int] | None,
    paths: tuple[Path, Path],
) -> dict[str, Any]:
    """A cell's comparison over the items in common; the difference is B's accuracy minus A's."""
    from tunebench.analysis import Comparison

    items = [item for item in first if item in second]
    cell = f"{key[1]} of the experiment {key[0]!r}"
    if not items:
        raise UsageError(
            f"{paths[0]} and {paths[1]} have no text in common",
            where=cell,
            hint="compare runs on the same test rows",
        )
    relabelled = [item for item in items if first[item][0] != second[item][0]]
    if relabelled:
        raise UsageError(
            f"{len(relabelled)} items, such as {relabelled[0]}, have another label in "
            f"{paths[0]} than in {paths[1]}",
            where=cell,
            hint="compare runs on the same test rows",
        )
    right, other = (_right(judged, items) for judged in (first, second))
    comparison = Comparison.paired(other, right, groups)
    return {
        **_named(key),
        "n": len(items),
        "n_a": len(first),
        "n_b": len(second),
        "accuracy_a": sum(right.values()) / len(items),
        "accuracy_b": sum(other.values()) / len(items),
        "difference": comparison.difference,
        "ci_low": comparison.low,
        "ci_high": comparison.high,
        "p": comparison.p,
        "lost": comparison.lost,
        "gained": comparison.gained,
    }


def _right(judged: Judgements, items: list[str]) -> dict[str, bool]:
    return {item: judged[item][0] == judged[item][1] for item in items}


def _named(key: tuple[str, str]) -> Mapping[str, str]:
    return {"experiment": key[0], "cell": key[1]}
