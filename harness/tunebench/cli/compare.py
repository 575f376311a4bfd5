"""``tunebench compare``: two runs' results, cell by cell on the texts that both were asked.

``--json`` prints one object: ``a`` and ``b`` are the paths; ``only_a`` and ``only_b`` list the
cells that one has alone, as ``experiment`` and ``cell``; ``cells`` has of each in both also ``n``
(texts in common), ``n_a``, ``n_b``, ``accuracy_a``, ``accuracy_b``, ``difference`` (B's minus
A's) with ``ci_low``, ``ci_high`` and ``mid_p``, and the items that were ``lost`` and ``gained``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebench.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from tunebench.reports import Judgements


def add_compare(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
) -> argparse.ArgumentParser:
    """Add the command to a parser's subcommands."""
    parser = subparsers.add_parser(
        "compare",
        help="compare two results cell by cell",
        description="Compare two results cell by cell, on the texts that both were asked: "
        "accuracies, their paired difference, and which answers flipped.",
    )
    for name in ("A", "B"):
        parser.add_argument(
            name.lower(),
            metavar=name,
            type=Path,
            help="a folder that `pytest --results` wrote, or its results.json",
        )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Carry out the command.

    Returns:
        0.

    Raises:
        TunebenchError: results cannot be read, are of different versions, or of other labels, or
            share no cell or no item of a cell.
    """
    from tunebench.analysis import compared_lines
    from tunebench.reports import read_results

    documents = [read_results(path) for path in (args.a, args.b)]
    versions = [document["version"] for document in documents]
    if versions[0] != versions[1]:
        raise UsageError(
            f"{args.a} has version {versions[0]} and {args.b} version {versions[1]}; write the "
            "older one again with `pytest --results DIR`."
        )
    found = _compared(documents, (args.a, args.b))
    if args.json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        for line in compared_lines(found):
            print(line)
    return 0


def _compared(documents: list[dict[str, Any]], paths: tuple[Path, Path]) -> dict[str, Any]:
    from tunebench.reports import judgements_of, waited_for

    first, second = (
        judgements_of(document, path) for document, path in zip(documents, paths, strict=True)
    )
    _check_labels(documents, paths)
    # In the order of A, which is that of its experiments' cells.
    both = [key for key in first if key in second]
    if not both:
        raise UsageError(f"{paths[0]} and {paths[1]} have no cell in common; name two runs of one.")
    shown = waited_for(both, "compare", "cell")
    return {
        "a": str(paths[0]),
        "b": str(paths[1]),
        "cells": [_cell(key, first[key], second[key], paths) for key in shown],
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
                f"and {', '.join(others[name])} in {paths[1]}; compare runs of one task."
            )


def _cell(
    key: tuple[str, str], first: Judgements, second: Judgements, paths: tuple[Path, Path]
) -> dict[str, Any]:
    """One cell in both, over the items in common; a difference is B's accuracy minus A's."""
    from tunebench.analysis import Comparison

    items = [item for item in first if item in second]
    cell = f"{key[1]} of the experiment {key[0]!r}"
    if not items:
        raise UsageError(
            f"{cell} was asked other texts in {paths[0]} than in {paths[1]}, with none in common; "
            "compare runs on the same test rows."
        )
    relabelled = [item for item in items if first[item][0] != second[item][0]]
    if relabelled:
        raise UsageError(
            f"{cell}: {len(relabelled)} items, such as {relabelled[0]}, have another label in "
            f"{paths[0]} than in {paths[1]}; compare runs on the same test rows."
        )
    right, other = (_right(judged, items) for judged in (first, second))
    comparison = Comparison.paired(other, right)
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
        "mid_p": comparison.p,
        "lost": comparison.lost,
        "gained": comparison.gained,
    }


def _right(judged: Judgements, items: list[str]) -> dict[str, bool]:
    return {item: judged[item][0] == judged[item][1] for item in items}


def _named(key: tuple[str, str]) -> Mapping[str, str]:
    return {"experiment": key[0], "cell": key[1]}
