"""``tunebench compare``: two runs' results, cell by cell on the texts that both have.

``--json`` prints one object: ``a`` and ``b`` are the paths; ``only_a`` and ``only_b`` list the
cells that one has alone, as ``experiment`` and ``cell``; ``cells`` has of each in both also ``n``
(texts in common), ``n_a``, ``n_b``, ``accuracy_a``, ``accuracy_b``, ``difference`` (B's minus
A's) with ``ci_low``, ``ci_high`` and ``p``, the items that were ``lost`` and ``gained``, and of
each of these in ``flips`` its ``item``, ``place`` in the user's file (null where that is not
known), ``label``, and what was predicted in ``a`` and ``b`` (null where no label was).
``failures`` are sentences: what ``--fail-on`` found. With ``--base`` there are also ``answers``:
the ``experiment``, and the sentence of its answer in ``a`` and in ``b``.
"""

from __future__ import annotations

import os
from pathlib import Path  # noqa: TC003 - Click needs it
from typing import TYPE_CHECKING, Any

import click

from tunebench.cli.commands import ExistingPath, json_option, print_json, print_lines
from tunebench.errors import ResultsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tunebench.reports import Judgements


@click.command()
@click.argument("paths", metavar="A B", nargs=-1, type=ExistingPath(), is_eager=True)
@click.option(
    "--base",
    metavar="REF",
    help="Compare experiments with those of a Git commit. The arguments are experiments then, as "
    "of `tunebench baseline` (default: benchmarks), and the default of --fail-on is regression",
)
@click.option(
    "--fail-on",
    type=click.Choice(["regression", "flip"]),
    help="End with 1 if a cell of B is less accurate, by the paired test (p < 0.05), or if it lost "
    "any answer that was right",
)
@json_option
def compare(paths: tuple[Path, ...], base: str | None, fail_on: str | None, as_json: bool) -> int:
    """Compare two results cell by cell, on the texts that both have.

    Shows accuracies, their paired difference and which answers changed. A and B are folders that
    `pytest --results` wrote, or their results.json. With --base, B is a replay of experiments, and
    A one of their files in another commit of their repository.
    """
    from tunebench.analysis import compared_lines

    found = _compared(*_of_results(paths)) if base is None else _of_base(paths, base)
    kind = fail_on or ("regression" if base is not None else None)
    found["failures"] += [line for cell in found["cells"] for line in _failures(cell, kind)]
    if as_json:
        print_json(found)
    else:
        print_lines(compared_lines(found))
    if base is not None and (step_summary := os.environ.get("GITHUB_STEP_SUMMARY")):
        from tunebench.reports import append_summary, comparison_markdown

        append_summary(step_summary, comparison_markdown(found).encode())
    return int(bool(found["failures"]))


def _of_results(paths: tuple[Path, ...]) -> tuple[list[dict[str, Any]], tuple[str, str]]:
    from tunebench.reports import read_results

    if len(paths) < 2:
        raise click.UsageError(f"Missing argument {'AB'[len(paths)]!r}, or the option --base.")
    if len(paths) > 2:
        raise click.UsageError("A and B are two results, and there are more arguments.")
    a, b = paths
    documents = [read_results(path) for path in paths]
    versions = [document["version"] for document in documents]
    if versions[0] != versions[1]:
        raise ResultsError(
            f"{a} has version {versions[0]} and {b} version {versions[1]}",
            hint="write the older one again with `pytest --results DIR`",
        )
    return documents, (str(a), str(b))


def _of_base(paths: tuple[Path, ...], base: str) -> dict[str, Any]:
    """The experiments in a commit and as they are; a cell that lost its result is a failure."""
    from tunebench.cli.with_base import replayed_with_base

    pair = replayed_with_base(paths, base)
    answers = [
        {answer["experiment"]: answer["sentence"] for answer in document["answers"]}
        for document in (pair.base, pair.now)
    ]
    return _compared([pair.base, pair.now], pair.names) | {
        "failures": [f"no result any more: {error['error']}" for error in pair.without_result],
        "answers": [
            {"experiment": name, "a": answers[0].get(name), "b": answers[1].get(name)}
            for name in answers[0] | answers[1]
        ],
    }


def _failures(cell: Mapping[str, Any], kind: str | None) -> list[str]:
    """What ``--fail-on`` finds in a cell's comparison, a sentence."""
    from tunebench.analysis import LEVEL

    name = f"{cell['cell']} of {cell['experiment']}"
    if kind == "regression" and cell["difference"] < 0 and cell["p"] < LEVEL:
        fall = f"{cell['accuracy_a']:.3f} to {cell['accuracy_b']:.3f}"
        return [f"regression: the accuracy of {name} fell from {fall} (p {cell['p']:.2g})."]
    if kind == "flip" and cell["lost"]:
        return [f"flip: {name} lost {len(cell['lost'])} of {cell['n']} answers."]
    return []


def _compared(documents: list[dict[str, Any]], paths: tuple[str, str]) -> dict[str, Any]:
    from tunebench.reports import judgements_of, waited_for

    first, second = (
        judgements_of(document, path) for document, path in zip(documents, paths, strict=True)
    )
    _check_labels(documents, paths)
    about_of = {about["name"]: about for about in documents[1]["experiments"]}
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
        "a": paths[0],
        "b": paths[1],
        "cells": [
            _with_flips(
                _cell(key, first[key], second[key], groups.get(key[0]), paths),
                (first[key], second[key]),
                about_of[key[0]],
            )
            for key in shown
        ],
        "only_a": [_named(key) for key in first if key not in second],
        "only_b": [_named(key) for key in second if key not in first],
        "failures": [],
    }


def _check_labels(documents: list[dict[str, Any]], paths: tuple[str, str]) -> None:
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
    paths: tuple[str, str],
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


def _with_flips(
    cell: dict[str, Any], judged: tuple[Judgements, Judgements], about: Mapping[str, Any]
) -> dict[str, Any]:
    """A cell's comparison, with what each run said of the items that only one got right."""
    names = about["labels"]
    # Results of version 2 may lack places.
    places = dict(zip(about["items"], about.get("places") or (), strict=False))

    def named(label: int | None) -> str | None:
        return None if label is None else names[label]

    def flip(item: str) -> dict[str, str | None]:
        (label, a), (_, b) = (one[item] for one in judged)
        return {
            "item": item,
            "place": places.get(item),
            "label": named(label),
            "a": named(a),
            "b": named(b),
        }

    return {**cell, "flips": [flip(item) for item in (*cell["lost"], *cell["gained"])]}


def _right(judged: Judgements, items: list[str]) -> dict[str, bool]:
    return {item: judged[item][0] == judged[item][1] for item in items}


def _named(key: tuple[str, str]) -> Mapping[str, str]:
    return {"experiment": key[0], "cell": key[1]}
