"""``tunebench prepare-data``: training files from a file of prompts and completions.

It says what it found and what it will do, asks about each change on a terminal, writes new files
beside the old one and overwrites none.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - Click needs it
from typing import TYPE_CHECKING, Any

import click

from tunebench.cli.commands import ExistingPath, json_option, number, print_json, print_lines
from tunebench.errors import UsageError, printable

if TYPE_CHECKING:
    from typing import Literal

    from tunebench.training_data import Proposal

    Task = Literal["classification", "generation", "open-ended"]

_RATE = number(0, kind=float, or_equal=False)


@click.command()
@click.argument("file", type=ExistingPath(), is_eager=True)
@click.option("--yes", is_flag=True, help="Accept all proposals without questions")
@click.option("--dry-run", is_flag=True, help="Show what would be done")
@click.option("--encoding", default="utf-8", metavar="NAME", help="The encoding of FILE")
@click.option(
    "--delimiter",
    metavar="CHARACTER",
    help="Between the columns of a table (found in its first line)",
)
@click.option(
    "--task",
    type=click.Choice(["classification", "generation", "open-ended"]),
    help="The kind of task (classification if completions recur three times on average)",
)
@click.option(
    "--separator",
    metavar="TEXT",
    help="The end of each prompt (' ->' or one that no prompt holds)",
)
@click.option("--positive-class", metavar="LABEL", help="The class of precision and recall")
@click.option(
    "--split/--no-split",
    default=None,
    help="Whether to split in 8:2, at most 1000 rows to validate (classification and chat)",
)
@click.option(
    "--epochs", type=number(1), default=4, metavar="N", help="Passes over the training rows"
)
@click.option("--bytes-per-token", type=_RATE, default=4.0, metavar="N", help="For the estimates")
@click.option(
    "--tokens-per-second", type=_RATE, default=380.0, metavar="N", help="The speed of training"
)
@click.option(
    "--price",
    type=number(0, kind=float),
    default=0.0,
    metavar="N",
    help="The price of a million training tokens",
)
@json_option
def prepare_data(
    file: Path,
    yes: bool,
    dry_run: bool,
    encoding: str,
    delimiter: str | None,
    task: Task | None,
    separator: str | None,
    positive_class: str | None,
    split: bool | None,
    epochs: int,
    bytes_per_token: float,
    tokens_per_second: float,
    price: float,
    as_json: bool,
) -> None:
    """Check a file of prompts and completions and write training files from it.

    Reads prompts and completions (.jsonl, .json, .csv, .tsv, .txt, .xlsx) or chat messages (.jsonl,
    .json) and writes FILE_prepared_train.jsonl and FILE_prepared_valid.jsonl, or
    FILE_prepared.jsonl. If a name is taken, it gets a number. --json needs --yes or --dry-run.
    """
    from tunebench import training_data
    from tunebench.formatting import Rates

    decided = yes or dry_run
    if not decided and (as_json or not sys.stdin.isatty()):
        raise UsageError(
            "questions need a terminal, and no --json",
            hint="give --yes to agree to all, or --dry-run to look first",
        )
    rates = Rates(bytes_per_token, epochs, tokens_per_second, price)
    talk = _Dialogue(silent=as_json, decided=decided)
    rows = training_data.read_rows(file, encoding=encoding, delimiter=delimiter)
    read = len(rows)
    talk.say(f"{file}: {read} {'rows' if rows.chat is None else 'conversations'}.")
    for sentence in rows.converted:
        talk.say(f"- {sentence[0].upper()}{sentence[1:]}.")
    settings = training_data.Settings(task=task, separator=separator)
    done = training_data.prepare(file, rows, settings, talk.accept)

    halves, kind = None, settings.task_of(rows)
    if split is None and not training_data.is_part_of_a_split(file):
        split = kind == "classification" or rows.chat is not None
    if split:
        halves = training_data.split(len(rows))
        question = f"- Split into {len(halves.train)} training and {len(halves.valid)} validation"
        if not talk.ask(question + (" rows." if decided else " rows?")):
            halves = None
    if halves is not None:
        apart = training_data.without_overlap(rows.prompts, halves)
        n = len(halves.valid) - len(apart.valid)
        proposal = training_data.Proposal(
            "overlap",
            f"{n} validation rows have a prompt that is also trained on.",
            "leave them out of the validation rows",
            lambda: None,
        )
        if n and talk.accept(proposal):
            halves = apart
        training_data.check_halves(file, halves)

    summary = training_data.summarise(file, rows, kind, halves, rates, positive_class)
    for line in training_data.summary_lines(summary):
        talk.say(line)
    files: list[Path] = []
    if not (done or rows.converted or halves):
        talk.say("Nothing needs to be changed: train on the file as it is.")
    elif not dry_run:
        names = training_data.free_names(file, halves=halves is not None)
        if decided or talk.ask(f"Write {' and '.join(map(str, names))}?"):
            files = training_data.write_files(file, rows, halves)
            talk.say(f"Wrote {' and '.join(map(str, files))}.")
        else:
            talk.say("Nothing was written.")
    if as_json:
        print_json(
            {
                "file": str(file),
                "rows_read": read,
                "converted": rows.converted,
                "steps": talk.steps,
                **asdict(summary),
                "files": [str(file) for file in files],
            }
        )


class _Dialogue:
    """Output and questions; silent for scripts."""

    def __init__(self, *, silent: bool, decided: bool) -> None:
        self._silent = silent
        self._decided = decided
        self.steps: list[dict[str, Any]] = []

    def say(self, text: str) -> None:
        if not self._silent:
            print_lines(text.split("\n"))

    def ask(self, question: str) -> bool:
        """Whether the user agrees; an empty answer does."""
        if self._decided:
            self.say(question)
            return True
        try:
            return not input(f"{printable(question)} [Y/n] ").strip().lower().startswith("n")
        except EOFError:
            raise UsageError(
                "the input ended before all questions were answered, and nothing was written",
                hint="give --yes to agree to all",
            ) from None

    def accept(self, proposal: Proposal) -> bool:
        self.say(f"- {proposal.found}")
        action = f"{proposal.action[0].upper()}{proposal.action[1:]}"
        if proposal.necessary:
            self.say(f"  {action}.")
            agreed = True
        else:
            agreed = self.ask(f"  {action}" + ("." if self._decided else "?"))
        step = {"step": proposal.step, "found": proposal.found, "action": proposal.action}
        self.steps.append(step | {"accepted": agreed})
        return agreed
