"""``tunebench prepare-data``: make a file of prompts and completions fit to train on.

It says what it found and what it will do, asks about each change on a terminal, writes new files
beside the old one and overwrites none.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebench.errors import UsageError

if TYPE_CHECKING:
    from tunebench.training_data import Proposal


def add_prepare_data(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
) -> argparse.ArgumentParser:
    """Add the command to a parser's subcommands."""
    parser = subparsers.add_parser(
        "prepare-data",
        help="check a file of prompts and completions and write training files from it",
        description="Check a file of prompts and completions (.jsonl, .json, .csv, .tsv, .txt, "
        ".xlsx) or of chat messages (.jsonl, .json) and write FILE_prepared_train.jsonl and "
        "FILE_prepared_valid.jsonl, or FILE_prepared.jsonl. Names that are taken get a number.",
    )
    add = parser.add_argument
    add("file", metavar="FILE", type=Path)
    add("--yes", action="store_true", help="do all that is proposed without asking")
    add("--dry-run", action="store_true", help="say what would be done and write nothing")
    add("--json", action="store_true", help="print one JSON object; takes --yes or --dry-run")
    add("--encoding", default="utf-8", help="of FILE (utf-8)")
    add("--delimiter", help="between the columns of a table (found in its first line)")
    add(
        "--task",
        choices=("classification", "generation", "open-ended"),
        help="what the rows teach (classification if completions recur three times on average)",
    )
    add("--separator", help="what each prompt is to end with (' ->' or one that no prompt holds)")
    add("--positive-class", metavar="LABEL", help="the class that precision and recall are said of")
    add(
        "--split",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether to split in 8:2, at most 1000 rows to validate (classification and chat)",
    )
    add("--epochs", type=_whole, default=4, help="passes over the training rows (4)")
    add("--bytes-per-token", type=_rate, default=4.0, metavar="N", help="for the estimate (4)")
    add("--tokens-per-second", type=_rate, default=380.0, metavar="N", help="of training (380)")
    add("--price", type=_price, default=0.0, metavar="N", help="of a million training tokens (0)")
    parser.set_defaults(run=run)
    return parser


def _rate(text: str) -> float:
    """A number above nothing; argparse reports the ValueError."""
    number = float(text)
    if not 0 < number < math.inf:
        raise ValueError
    return number


def _price(text: str) -> float:
    return 0.0 if float(text) == 0 else _rate(text)


def _whole(text: str) -> int:
    return int(_rate(str(int(text))))


class _Dialogue:
    """What is said and asked; silent for scripts."""

    def __init__(self, *, silent: bool, decided: bool) -> None:
        self.silent = silent
        self.decided = decided
        self.steps: list[dict[str, Any]] = []

    def say(self, text: str) -> None:
        if not self.silent:
            print(text)

    def ask(self, question: str) -> bool:
        """Whether the user agrees; an empty answer does."""
        if self.decided:
            self.say(question)
            return True
        try:
            return not input(f"{question} [Y/n] ").strip().lower().startswith("n")
        except EOFError:
            raise UsageError(
                "the input ended before all questions were answered: give --yes to agree to all; "
                "nothing was written."
            ) from None

    def accept(self, proposal: Proposal) -> bool:
        self.say(f"- {proposal.found}")
        action = f"{proposal.action[0].upper()}{proposal.action[1:]}"
        if proposal.necessary:
            self.say(f"  {action}.")
            agreed = True
        else:
            agreed = self.ask(f"  {action}" + ("." if self.decided else "?"))
        self.steps.append(
            {
                "step": proposal.step,
                "found": proposal.found,
                "action": proposal.action,
                "accepted": agreed,
            }
        )
        return agreed


def run(args: argparse.Namespace) -> int:
    """Carry out the command.

    Returns:
        0.

    Raises:
        TunebenchError: the file or the options cannot be used; nothing was written.
    """
    from tunebench.formatting import Rates
    from tunebench.training_data import (
        Proposal,
        Settings,
        check_halves,
        free_names,
        is_part_of_a_split,
        prepare,
        read_rows,
        split,
        summarise,
        summary_lines,
        without_overlap,
        write_files,
    )

    path: Path = args.file
    decided = args.yes or args.dry_run
    if not decided and (args.json or not sys.stdin.isatty()):
        raise UsageError(
            "questions can only be asked on a terminal and without --json: give --yes to agree to "
            "all, or --dry-run to look first."
        )
    rates = Rates(args.bytes_per_token, args.epochs, args.tokens_per_second, args.price)
    talk = _Dialogue(silent=args.json, decided=decided)
    rows = read_rows(path, encoding=args.encoding, delimiter=args.delimiter)
    read = len(rows)
    talk.say(f"{path}: {read} {'rows' if rows.chat is None else 'conversations'}.")
    for sentence in rows.converted:
        talk.say(f"- {sentence[0].upper()}{sentence[1:]}.")
    settings = Settings(task=args.task, separator=args.separator)
    done = prepare(path, rows, settings, talk.accept)

    halves = None
    task = settings.task_of(rows)
    wanted = args.split
    if wanted is None and not is_part_of_a_split(path):
        wanted = task == "classification" or rows.chat is not None
    if wanted:
        halves = split(len(rows))
        question = f"- Split into {len(halves.train)} training and {len(halves.valid)} validation"
        if not talk.ask(question + (" rows." if decided else " rows?")):
            halves = None
    if halves is not None:
        apart = without_overlap(rows.prompts, halves)
        n = len(halves.valid) - len(apart.valid)
        proposal = Proposal(
            "overlap",
            f"{n} validation rows have a prompt that is also trained on.",
            "leave them out of the validation rows",
            lambda: None,
        )
        if n and talk.accept(proposal):
            halves = apart
        check_halves(path, halves)

    summary = summarise(path, rows, task, halves, rates, args.positive_class)
    for line in summary_lines(summary):
        talk.say(line)
    changed = bool(done or rows.converted or halves)
    files: list[Path] = []
    if not changed:
        talk.say("Nothing is to be changed: train on the file as it is.")
    elif not args.dry_run:
        names = free_names(path, halves=halves is not None)
        named = " and ".join(map(str, names))
        if talk.decided or talk.ask(f"Write {named}?"):
            files = write_files(path, rows, halves)
            talk.say(f"Wrote {' and '.join(map(str, files))}.")
        else:
            talk.say("Nothing was written.")
    if args.json:
        document = {
            "file": str(path),
            "rows_read": read,
            "converted": rows.converted,
            "steps": talk.steps,
            **asdict(summary),
            "files": [str(file) for file in files],
        }
        print(json.dumps(document, ensure_ascii=False))
    return 0
