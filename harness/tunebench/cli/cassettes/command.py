"""The commands of ``tunebench cassettes``.

``--json`` prints one object. ``ls``: ``cassettes``, with ``experiment``, ``cassette`` (path),
``recording``, ``state``, ``rows``, ``first_recorded_at``, ``last_recorded_at``, ``models`` and
``bytes``. ``verify``: ``cassettes``, with ``experiment``, ``cassette``, ``recording``, ``rows``,
``unplayed`` (lines; null where that is not known) and ``problems`` (sentences), and ``problems``,
their number. ``prune``: ``cassettes``, with ``cassette``, ``action`` (``remove``, ``rewrite``,
``leave``) and ``sentence``. ``diff``: ``old``, ``new``, ``same`` and ``cassettes``, with
``cassette``, ``only_old``, ``only_new`` and ``changed``, see `tunebench.cassettes.comparison`.
``upgrade``: ``cassettes``, with ``cassette``, ``requests`` (of format 1), ``rows`` (of the current
format) and ``problem`` (a sentence, or an empty string). ``items``: ``items``, with ``file``,
``items`` (their number) and ``problems`` (sentences).
"""

from __future__ import annotations

import textwrap
from pathlib import Path  # noqa: TC003 - Click needs it
from typing import TYPE_CHECKING, Any

import click

from tunebench.cli.commands import (
    ExistingPath,
    Group,
    experiments_argument,
    json_option,
    output_width,
    print_json,
    print_lines,
    read_experiments,
)
from tunebench.errors import CassetteError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tunebench.cli.cassettes.verification import Verified
    from tunebench.experiment import Experiment

_SHOWN = 5
_DATE = len("2026-01-01")
_NOT_SHOWN = ("answer", "prompt_sha256")
_LS_HEADER = ("experiment", "recording", "state", "rows", "bytes", "recorded", "models")


@click.group(cls=Group)
def cassettes() -> None:
    """List, verify, prune, compare and upgrade the cassettes of experiments.

    An EXPERIMENT is its file, or a folder with experiment.toml in it or below (default:
    benchmarks).
    """


@cassettes.command(short_help="Show each cassette")
@experiments_argument
@json_option
def ls(experiments: tuple[Path, ...], as_json: bool) -> None:
    """Show each cassette.

    A cassette is complete when it answers as many texts as the experiment has, partial when fewer,
    an orphan when no cell uses it.
    """
    from tunebench.cli.cassettes.listing import listed
    from tunebench.reports import aligned

    rows = [row for experiment in read_experiments(experiments) for row in listed(experiment)]
    if as_json:
        print_json({"cassettes": rows})
        return
    lines = [
        (
            *(row["experiment"], row["recording"], row["state"]),
            *(str(row["rows"]), f"{row['bytes']:,}"),
            (row["last_recorded_at"] or "-")[:_DATE],
            ", ".join(row["models"]) or "-",
        )
        for row in rows
    ]
    print_lines(aligned(_LS_HEADER, lines, output_width(), keys=2))


@cassettes.command(short_help="Replay each cassette and check each line")
@experiments_argument
@json_option
def verify(experiments: tuple[Path, ...], as_json: bool) -> int:
    """Replay each cassette and check each line.

    Every request of every cell must be answered, and every row be requested; no row may hold a text
    of the data set or what looks like an API key. The exit code is 1 where one is not sound. Where
    the data set is not on this machine, texts cannot be looked for.
    """
    from tunebench.evaluation import is_data_here

    read = read_experiments(experiments)
    found = [(e.name, one) for e in read for one in _verified(e)]
    problems = [problem for _, one in found for problem in one.problems]
    if as_json:
        rows = [
            {
                "experiment": name,
                "cassette": str(one.path),
                "recording": one.recording,
                "rows": len(one.file.rows) if one.file else 0,
                "unplayed": one.unplayed_lines,
                "problems": one.problems,
            }
            for name, one in found
        ]
        print_json({"cassettes": rows, "problems": len(problems)})
    else:
        sound = sum(not one.problems for _, one in found)
        lines = [line for problem in problems for line in _wrapped(problem)]
        for e in read:
            if not is_data_here(e):
                note = "the data set is not on this machine, so no cassette was searched for texts"
                lines += _wrapped(f"{e.path}: {note}.")
        print_lines([*lines, f"{sound} of {len(found)} cassettes are sound."])
    return int(bool(problems))


@cassettes.command(short_help="Remove what no cell requests")
@experiments_argument
@click.option("--dry-run", is_flag=True, help="Show what would be done")
@json_option
def prune(experiments: tuple[Path, ...], dry_run: bool, as_json: bool) -> None:
    """Remove what no cell requests.

    Removes orphans, and the rows that a whole replay does not request. A cassette that is damaged,
    incomplete or being recorded is left alone.
    """
    from tunebench.cli.cassettes.pruning import carry_out, planned
    from tunebench.cli.cassettes.sharing import refuse_shared_folders

    read = read_experiments(experiments)
    refuse_shared_folders(read)
    done = []
    for experiment in read:
        for plan in list(planned(experiment, _verified(experiment))):
            done.append(plan if dry_run else carry_out(plan))
            if not as_json:
                print_lines([done[-1].sentence])
    if as_json:
        rows = [
            {"cassette": str(one.path), "action": one.action, "sentence": one.sentence}
            for one in done
        ]
        print_json({"cassettes": rows})
    elif all(one.action == "leave" for one in done):
        print("There is nothing to prune.")
    elif dry_run:
        print("Nothing was changed: this is what is done without --dry-run.")


@cassettes.command(short_help="Compare two recordings")
@click.argument("old", type=ExistingPath(), is_eager=True)
@click.argument("new", type=ExistingPath(), is_eager=True)
@json_option
def diff(old: Path, new: Path, as_json: bool) -> int:
    """Compare two recordings: cassettes, or folders of them.

    Shows which items or requests only one has, and which answers changed. The exit code is 1 where
    they differ.
    """
    from tunebench.cassettes import differences, inspect

    found = []
    for name, *paths in _pairs(old, new):
        files = [inspect(path) if path.exists() else None for path in paths]
        for file in files:
            if file and file.damaged:
                raise CassetteError(file.problems[0])
        rows = (list(file.rows.values()) if file else [] for file in files)
        found.append({"cassette": name, **differences(*rows)})
    differing = [one for one in found if one["only_old"] or one["only_new"] or one["changed"]]
    same = not differing
    if as_json:
        print_json({"old": str(old), "new": str(new), "same": same, "cassettes": found})
    else:
        lines = [line for one in differing for line in _differing(one)]
        count = f"{len(found) - len(differing)} of {len(found)}"
        print_lines([*lines, f"{count} cassettes are the same."])
    return int(not same)


@cassettes.command(short_help="Convert cassettes of format 1 to the current format")
@experiments_argument
@json_option
def upgrade(experiments: tuple[Path, ...], as_json: bool) -> int:
    """Convert cassettes of format 1 to the current format.

    Nothing is sent to any provider. Each answer is read back and must be the same, and each cell is
    replayed. The exit code is 1 where one does not replay.
    """
    from tunebench.cli.cassettes.upgrading import upgraded

    done = []
    for experiment in read_experiments(experiments):
        for path, requests, rows, problem in upgraded(experiment):
            done.append(
                {"cassette": str(path), "requests": requests, "rows": rows, "problem": problem}
            )
            if not as_json:
                told = (
                    f"{path}: {requests} requests of format 1 are {rows} rows now, and every "
                    "answer is the same."
                )
                print_lines([told, *([f"- it does not replay: {problem}"] if problem else [])])
    if as_json:
        print_json({"cassettes": done})
    elif not done:
        print("There is no cassette of format 1.")
    return int(any(one["problem"] for one in done))


@cassettes.command(short_help="Write the items that a replay without the data needs")
@experiments_argument
@json_option
def items(experiments: tuple[Path, ...], as_json: bool) -> int:
    """Write items.jsonl beside the cassettes, from the data set.

    A recording writes it, too. With it the cassettes can be replayed where the data set is not. It
    holds no text: item ids, label ids, numbers of groups and hashes of prompts. The exit code is 1
    where a cell is not recorded, so that it cannot be replayed.
    """
    from tunebench.cli.cassettes.items import written

    done = []
    for experiment in read_experiments(experiments):
        done.append(written(experiment))
        if not as_json:
            print_lines([done[-1].sentence, *(f"- {one}" for one in done[-1].problems)])
    if as_json:
        rows = [
            {"file": str(one.path), "items": one.items, "problems": one.problems} for one in done
        ]
        print_json({"items": rows})
    return int(any(one.problems for one in done))


def _pairs(old: Path, new: Path) -> Iterator[tuple[str, Path, Path]]:
    from tunebench.cassettes import ITEMS_NAME

    if old.is_dir() != new.is_dir():
        raise UsageError(
            f"{old} and {new} are a folder and a file", hint="name two cassettes or two folders"
        )
    if old.is_file():
        yield old.name, old, new
        return
    names = {
        path.relative_to(folder)
        for folder in (old, new)
        for path in folder.rglob("*.jsonl")
        # Predictions of rivals and items follow from the cassettes and the data.
        if path.parent.name != "rivals" and path.name != ITEMS_NAME
    }
    if not names:
        raise UsageError(f"{old} and {new} hold no cassette", hint="name the folders of two")
    yield from ((name.as_posix(), old / name, new / name) for name in sorted(names))


def _differing(one: dict[str, Any]) -> Iterator[str]:
    yield f"{one['cassette']}:"
    for which in ("old", "new"):
        if names := one[f"only_{which}"]:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            yield f"  only in {which.upper()}: {', '.join(names[:_SHOWN])}{more}"
    for kind in dict.fromkeys(change["what"] for change in one["changed"]):
        changes = [change for change in one["changed"] if change["what"] == kind]
        yield f"  {kind} of {len(changes)} changed"
        for change in changes[:_SHOWN]:
            values = "" if kind in _NOT_SHOWN else f": {change['old']!r} -> {change['new']!r}"
            yield f"    {change['of']}{values}"
        if len(changes) > _SHOWN:
            yield f"    and {len(changes) - _SHOWN} more"


def _wrapped(sentence: str) -> list[str]:
    return textwrap.wrap(
        sentence,
        output_width(),
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _verified(experiment: Experiment) -> Iterator[Verified]:
    from tunebench.cli.cassettes.verification import embeddings_of, recordings_of, verified
    from tunebench.reports import waited_for

    total = len(recordings_of(experiment)) + len(embeddings_of(experiment))
    return waited_for(verified(experiment), experiment.name, "cassette", total)
