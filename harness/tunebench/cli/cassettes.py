"""``tunebench cassettes``: list, verify, prune, compare and upgrade cassettes.

``--json`` prints one object. ``ls``: ``cassettes``, with ``experiment``, ``cassette`` (path),
``recording``, ``state``, ``rows``, ``first_recorded_at``, ``last_recorded_at``, ``models`` and
``bytes``. ``verify``: ``cassettes``, with ``experiment``, ``cassette``, ``recording``, ``rows``,
``unplayed`` (lines; null where that is not known) and ``problems`` (sentences), and ``problems``,
their number. ``prune``: ``cassettes``, with ``cassette``, ``action`` (``remove``, ``rewrite``,
``leave``) and ``sentence``. ``diff``: ``old``, ``new``, ``same`` and ``cassettes``, with
``cassette``, ``only_old``, ``only_new`` and ``changed``, see `tunebench.cassettes.comparison`.
``upgrade``: ``cassettes``, with ``cassette``, ``requests`` (of format 1), ``rows`` (of the current
format) and ``problem`` (a sentence, or an empty string).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebench.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from tunebench.cli.verification import Verified
    from tunebench.experiment import Experiment

_SHOWN = 5
_UNTOLD = ("answer", "prompt_sha256")
_LS_HEADER = ("experiment", "recording", "state", "rows", "bytes", "first", "last", "models")


def add_cassettes(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
) -> argparse.ArgumentParser:
    """Add the command and its own commands to a parser's subcommands."""
    parser = subparsers.add_parser(
        "cassettes",
        help="list, verify, prune, compare and upgrade cassettes",
        description="List, verify, prune, compare and upgrade the cassettes of experiments.",
    )
    own = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, run: Callable[..., int], about: str, more: str) -> argparse.ArgumentParser:
        command = own.add_parser(
            name, help=about, description=f"{about[:1].upper()}{about[1:]}. {more}"
        )
        if name == "diff":
            for which in ("OLD", "NEW"):
                command.add_argument(
                    which.lower(), metavar=which, type=Path, help="a cassette, or a folder of them"
                )
        else:
            command.add_argument(
                "experiments",
                metavar="EXPERIMENT",
                nargs="*",
                type=Path,
                help="experiment files, or folders with experiment.toml in or below (benchmarks)",
            )
        command.add_argument("--json", action="store_true", help="print one JSON object")
        command.set_defaults(run=run)
        return command

    add(
        "ls",
        _ls,
        "show each cassette",
        "A cassette is complete when it answers as many texts as the experiment asks, partial "
        "when fewer, an orphan when no cell uses it.",
    )
    add(
        "verify",
        _verify,
        "replay each cassette and check each line",
        "Every request of every cell must be answered, every row asked for; no row may hold a "
        "text of the data set or what looks like an API key.",
    )
    prune = add(
        "prune",
        _prune,
        "remove what no cell asks for",
        "Orphans go, and so do the rows that a whole replay leaves unasked. A cassette that is "
        "damaged, incomplete or being recorded is left alone.",
    )
    prune.add_argument("--dry-run", action="store_true", help="say what would be done")
    add(
        "diff",
        _diff,
        "compare two recordings",
        "Shows which items or requests only one has, and which answers changed. Ends with 1 "
        "where they differ.",
    )
    add(
        "upgrade",
        _upgrade,
        "turn cassettes of format 1 into the current format",
        "Nothing is asked of any provider. Each answer is read back and must read as it did, "
        "and each cell is replayed. Ends with 1 where one does not replay.",
    )
    return parser


def _ls(args: argparse.Namespace) -> int:
    from tunebench.cli.cassettes_listed import listed
    from tunebench.reports import aligned

    rows = [row for experiment in _experiments(args) for row in listed(experiment)]
    if args.json:
        print(json.dumps({"cassettes": rows}, ensure_ascii=False))
        return 0
    lines = [
        (
            *(row["experiment"], row["recording"], row["state"]),
            *(str(row["rows"]), f"{row['bytes']:,}"),
            *(row["first_recorded_at"] or "-", row["last_recorded_at"] or "-"),
            ", ".join(row["models"]) or "-",
        )
        for row in rows
    ]
    for line in aligned(_LS_HEADER, lines):
        print(line)
    return 0


def _verify(args: argparse.Namespace) -> int:
    found = [(e.name, one) for e in _experiments(args) for one in _verified(e)]
    problems = [problem for _, one in found for problem in one.problems]
    if args.json:
        shown = [_shown(name, one) for name, one in found]
        print(json.dumps({"cassettes": shown, "problems": len(problems)}, ensure_ascii=False))
    else:
        for problem in problems:
            print(problem)
        sound = sum(not one.problems for _, one in found)
        print(f"{sound} of {len(found)} cassettes are sound.")
    return int(bool(problems))


def _shown(experiment: str, one: Verified) -> dict[str, Any]:
    lines = None
    if one.file is not None and one.unplayed is not None:
        lines = one.file.numbers(one.unplayed)
    return {
        "experiment": experiment,
        "cassette": str(one.path),
        "recording": one.recording,
        "rows": len(one.file.rows) if one.file else 0,
        "unplayed": lines,
        "problems": one.problems,
    }


def _prune(args: argparse.Namespace) -> int:
    from tunebench.cli.pruning import carry_out, planned
    from tunebench.cli.shared_cassettes import refuse_shared_folders

    experiments = _experiments(args)
    refuse_shared_folders(experiments)
    done = []
    for experiment in experiments:
        for plan in list(planned(experiment, _verified(experiment))):
            done.append(plan if args.dry_run else carry_out(plan))
            if not args.json:
                print(done[-1].sentence)
    if args.json:
        shown = [
            {"cassette": str(one.path), "action": one.action, "sentence": one.sentence}
            for one in done
        ]
        print(json.dumps({"cassettes": shown}, ensure_ascii=False))
    elif all(one.action == "leave" for one in done):
        print("There is nothing to prune.")
    elif args.dry_run:
        print("Nothing was changed: this is what is done without --dry-run.")
    return 0


def _diff(args: argparse.Namespace) -> int:
    from tunebench.cassettes import differences, inspect

    found = []
    for name, old, new in _pairs(args.old, args.new):
        rows = []
        for path in (old, new):
            file = inspect(path) if path.exists() else None
            if file and file.damaged:
                raise UsageError(file.problems[0])
            rows.append(list(file.rows.values()) if file else [])
        found.append({"cassette": name, **differences(*rows)})
    differing = [one for one in found if one["only_old"] or one["only_new"] or one["changed"]]
    same = not differing
    if args.json:
        document = {"old": str(args.old), "new": str(args.new), "same": same, "cassettes": found}
        print(json.dumps(document, ensure_ascii=False))
    else:
        for one in differing:
            for line in _differing(one):
                print(line)
        print(f"{len(found) - len(differing)} of {len(found)} cassettes are the same.")
    return int(not same)


def _upgrade(args: argparse.Namespace) -> int:
    from tunebench.cli.upgrading import upgraded

    done = []
    for experiment in _experiments(args):
        for one in upgraded(experiment):
            done.append(one)
            if not args.json:
                print(
                    f"{one.path}: {one.requests} requests of format 1 are {one.rows} rows now, and "
                    "every answer reads as it did."
                )
                if one.problem:
                    print(f"- it does not replay: {one.problem}")
    if args.json:
        shown = [
            {
                "cassette": str(one.path),
                "requests": one.requests,
                "rows": one.rows,
                "problem": one.problem,
            }
            for one in done
        ]
        print(json.dumps({"cassettes": shown}, ensure_ascii=False))
    elif not done:
        print("There is no cassette of format 1.")
    return int(any(one.problem for one in done))


def _pairs(old: Path, new: Path) -> Iterator[tuple[str, Path, Path]]:
    for path in (old, new):
        if not path.exists():
            raise UsageError(f"{path}: there is no such cassette or folder; fix the path.")
    if old.is_dir() != new.is_dir():
        raise UsageError(
            f"{old} and {new} are a folder and a file; name two cassettes or two folders."
        )
    if old.is_file():
        yield old.name, old, new
        return
    names = {path.relative_to(folder) for folder in (old, new) for path in folder.rglob("*.jsonl")}
    if not names:
        raise UsageError(f"{old} and {new} hold no cassette; name the folders of two.")
    yield from ((name.as_posix(), old / name, new / name) for name in sorted(names))


def _differing(one: dict[str, Any]) -> Iterator[str]:
    yield f"{one['cassette']}:"
    for which in ("old", "new"):
        if names := one[f"only_{which}"]:
            yield f"  only in {which.upper()}: {_some(names)}"
    kinds = dict.fromkeys(change["what"] for change in one["changed"])
    for kind in kinds:
        changes = [change for change in one["changed"] if change["what"] == kind]
        yield f"  {kind} of {len(changes)} changed"
        for change in changes[:_SHOWN]:
            values = "" if kind in _UNTOLD else f": {change['old']!r} -> {change['new']!r}"
            yield f"    {change['of']}{values}"
        if len(changes) > _SHOWN:
            yield f"    and {len(changes) - _SHOWN} more"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _experiments(args: argparse.Namespace) -> list[Experiment]:
    from tunebench.cli.experiments import found_experiments

    return found_experiments(args.experiments)


def _verified(experiment: Experiment) -> Iterator[Verified]:
    from tunebench.cli.verification import recordings_of, verified
    from tunebench.reports import waited_for

    total = len(recordings_of(experiment))
    return waited_for(verified(experiment), experiment.name, "cassette", total)
