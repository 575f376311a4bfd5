"""One cell, from data to result.

Results always come from the cassette: recording first sends what is missing, then the cell is
evaluated by replay. So a recording and every later replay give the same result.
"""

from __future__ import annotations

import statistics
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.cassettes import CassetteFile, blocked_network, item_index, use_cassette
from harness.cell_prompts import prompts_of, test_rows, texts_of
from harness.connections import Connections
from harness.decision_rules import rule_of
from harness.errors import TunebenchError
from harness.fine_tuned import FineTunedModels
from harness.recordings import NoProgress, Progress, RecordMode, recorded_file
from harness.result import Result
from harness.scoring import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.api import Answer, Client, Reply
    from harness.api.fine_tuning import FineTuned
    from harness.budget import Budget
    from harness.decision_rules import Decision
    from harness.experiment import Cell, Experiment


class CellError(TunebenchError):
    """A cell that has no result."""


@dataclass
class Runner:
    """Evaluates cells; keeps data and connections for the next one.

    Attributes:
        record: ``none`` replays and sends nothing; ``missing`` asks for what the cassette lacks;
            ``all`` records a new cassette and puts it in place when it is complete.
        start_provider: called before the first request of a cell leaves, with the experiment and
            the provider's name; starts the local provider.
        budget: what recordings may cost, or None.
        unplayed: of each cassette that a replay came to the end of, the keys of the rows that
            it did not ask for.
    """

    record: RecordMode = "none"
    start_provider: Callable[[Experiment, str], None] = lambda *_: None
    budget: Budget | None = None
    unplayed: dict[Path, list[str]] = field(default_factory=dict)
    _connections: Connections = field(default_factory=Connections)

    def __post_init__(self) -> None:
        self._models = FineTunedModels(
            self.record, self._connections, self.start_provider, self.budget, self.unplayed
        )

    def evaluate(self, cell: Cell, hint: str, progress: Progress | None = None) -> Result:
        """Evaluate a cell, recording before where told.

        Args:
            cell: the cell.
            hint: how to record it, for the message of a miss.
            progress: told how the recording gets on.

        Raises:
            CellError: data, cassette or provider did not give what the cell needs. What was
                recorded until then is kept.
        """
        progress = progress or NoProgress()
        try:
            made = None
            if self.record != "none":
                if cell.train_size:
                    made = self._models.model(cell, hint, progress)
                self._record(cell, made, hint, progress)
            with blocked_network(str(cell)):
                if cell.train_size:
                    made = self._models.model(cell, hint, progress)
                return self._replay(cell, made, hint)
        except CellError:
            raise
        except TunebenchError as error:
            sentence = str(error)
            known = sentence.startswith((f"{cell}: ", f"{cell}, "))
            raise CellError(sentence if known else f"{cell}: {sentence}") from error

    def fine_tuned(self, cell: Cell, hint: str, progress: Progress | None = None) -> FineTuned:
        """The model of a fine-tuned cell alone, by its job, which is recorded before where told.

        Args:
            cell: a cell with a training size.
            hint: how to record its job, for the message of a miss.
            progress: told how the job gets on.

        Raises:
            FineTunedModelError: the job failed, or is not recorded.
        """
        blocked = blocked_network(cell.job) if self.record == "none" else nullcontext()
        with blocked:
            return self._models.model(cell, hint, progress or NoProgress())

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()

    def _record(self, cell: Cell, made: FineTuned | None, hint: str, progress: Progress) -> None:
        provider = cell.experiment.models[cell.model].provider
        items = item_index(prompts_of(cell))
        with (
            recorded_file(_open, cell, cell.cassette, self.record) as file,
            use_cassette(
                file,
                before_send=lambda: self.start_provider(cell.experiment, provider),
                items=items,
                texts=texts_of(cell),
                hint=hint,
            ),
        ):
            client = self._connections.client(cell.experiment, provider, recording=True)
            from harness.budget import announcement  # late: only recordings cost anything

            rows = list(file.rows())
            if (line := announcement(cell, rows)) is not None:
                progress.say(line)
            if self.budget is not None:
                self.budget.take_cell(cell, rows)
            _ask(cell, made, client, items, progress)

    def _replay(self, cell: Cell, made: FineTuned | None, hint: str) -> Result:
        provider = cell.experiment.models[cell.model].provider
        client = self._connections.client(cell.experiment, provider, recording=False)
        file = _open(cell, cell.cassette)
        items = item_index(prompts_of(cell))
        try:
            with use_cassette(file, before_send=None, items=items, hint=hint) as cassette:
                replies, decisions = _ask(cell, made, client, items, NoProgress())
                unplayed = self.unplayed[cell.cassette] = cassette.unplayed
        finally:
            file.close()
        rows = test_rows(cell.experiment)
        return Result(
            cell=cell,
            judgements=judge(
                rows["item"].tolist(),
                rows["label"].tolist(),
                [decision.label for decision in decisions],
                [decision.reading for decision in decisions],
            ),
            prompt_tokens=sum(reply.prompt_tokens for reply in replies),
            completion_tokens=sum(reply.completion_tokens for reply in replies),
            latency_ms_median=statistics.median(reply.latency_ms for reply in replies),
            recorded_at=max(reply.recorded_at or "" for reply in replies),
            unplayed=len(unplayed),
            fine_tuned=made,
            seconds=sum(reply.latency_ms for reply in replies) / 1000,
            server=", ".join(sorted({reply.server for reply in replies if reply.server})),
            label_logprobs=tuple(decision.logprobs for decision in decisions),
            answered_as=", ".join(
                sorted({r.model for r in replies if r.model} - {_asked(cell, made)})
            ),
        )


def _ask(
    cell: Cell, made: FineTuned | None, client: Client, items: dict[str, str], progress: Progress
) -> tuple[list[Reply], list[Decision]]:
    """Ask for every test text; all replies, and what was read of the answers for each text.

    The prompts of further rounds are added to `items`, the item ids by prompt SHA-256.
    """
    rule, prompts = rule_of(cell, client), prompts_of(cell)
    parameters = cell.experiment.models[cell.model].parameters
    replies: list[Reply] = []
    answers: list[list[Answer]] = []
    for number, asked in enumerate(rule.rounds, 1):
        texts = prompts
        if asked.suffix:  # of completions only: a chat cannot be continued
            texts = {item: f"{prompt}{asked.suffix}" for item, prompt in prompts.items()}
            items |= item_index(texts)
        done = progress.answered if number == len(rule.rounds) else lambda _: None
        told = client.complete(
            _asked(cell, made),
            list(texts.values()),
            asked.parameters | parameters,
            done=done,
            say=lambda line: progress.say(f"{cell}: {line}"),
        )
        replies += told
        answers.append([answer for reply in told for answer in reply.answers])
    return replies, [rule.read(*of_text) for of_text in zip(*answers, strict=True)]


def _asked(cell: Cell, made: FineTuned | None) -> str:
    """The name of the model that is asked."""
    return made.model if made else cell.experiment.models[cell.model].provider_id


def _open(cell: Cell, path: Path) -> CassetteFile:
    return CassetteFile(path, experiment=cell.experiment.name, recording=str(cell))


def orphans(experiment: Experiment) -> Iterator[Path]:
    """Cassettes in an experiment's folder that belong to none of its cells."""
    known = {cell.cassette for cell in experiment.cells}
    known |= {cell.job_cassette for cell in experiment.cells if cell.train_size}
    for folder in (experiment.cassettes, experiment.cassettes / "jobs"):
        if folder.is_dir():
            yield from (path for path in sorted(folder.glob("*.jsonl")) if path not in known)
