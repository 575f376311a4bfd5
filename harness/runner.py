"""One cell, from data to result.

Results always come from the cassette: recording first sends what is missing, then the cell is
evaluated by replay. So a recording and every later replay give the same result.
"""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from harness.api import Client, Reply
from harness.cassettes import CassetteFile, blocked_network, item_index, use_cassette
from harness.cell_prompts import prompts_of, test_rows, texts_of
from harness.decision_rules import rule_of
from harness.errors import TunebenchError
from harness.result import Result
from harness.scoring import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.experiment import Cell, Experiment

RecordMode = Literal["none", "missing", "all"]

_PART = ".part"


class CellError(TunebenchError):
    """A cell that has no result."""


def _nothing(_: int) -> None:
    pass


@dataclass
class Runner:
    """Evaluates cells; keeps data and connections for the next one.

    Attributes:
        record: ``none`` replays and sends nothing; ``missing`` asks for what the cassette lacks;
            ``all`` records a new cassette and puts it in place when it is complete.
        start_provider: called before the first request of a cell leaves, with the experiment and
            the provider's name; starts the local provider.
    """

    record: RecordMode = "none"
    start_provider: Callable[[Experiment, str], None] = lambda *_: None
    _clients: dict[tuple[Experiment, str, bool], Client] = field(default_factory=dict)

    def evaluate(self, cell: Cell, hint: str, progress: Callable[[int], None] = _nothing) -> Result:
        """Evaluate a cell, recording before where told.

        Args:
            cell: the cell.
            hint: how to record it, for the message of a miss.
            progress: called with the number of texts answered while recording.

        Raises:
            CellError: data, cassette or provider did not give what the cell needs. What was
                recorded until then is kept.
        """
        try:
            if self.record != "none":
                self._record(cell, hint, progress)
            with blocked_network(str(cell)):
                return self._replay(cell, hint)
        except CellError:
            raise
        except TunebenchError as error:
            sentence = str(error)
            known = sentence.startswith(str(cell))
            raise CellError(sentence if known else f"{cell}: {sentence}") from error

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def _record(self, cell: Cell, hint: str, progress: Callable[[int], None]) -> None:
        target = cell.cassette
        path = target.with_name(target.name + _PART) if self.record == "all" else target
        provider = cell.experiment.models[cell.model].provider
        file = _open(path, cell)
        file.start_recording()
        try:
            with use_cassette(
                file,
                before_send=lambda: self.start_provider(cell.experiment, provider),
                items=item_index(prompts_of(cell)),
                texts=texts_of(cell),
                hint=hint,
            ):
                _ask(cell, self._client(cell, recording=True), progress)
        finally:
            file.close()
        if path != target:
            os.replace(path, target)

    def _replay(self, cell: Cell, hint: str) -> Result:
        file = _open(cell.cassette, cell)
        try:
            with use_cassette(
                file, before_send=None, items=item_index(prompts_of(cell)), hint=hint
            ) as cassette:
                replies, predictions = _ask(cell, self._client(cell, recording=False), _nothing)
                unplayed = cassette.unplayed
        finally:
            file.close()
        rows = test_rows(cell.experiment)
        return Result(
            cell=cell,
            judgements=judge(rows["item"].tolist(), rows["label"].tolist(), predictions),
            prompt_tokens=sum(reply.prompt_tokens for reply in replies),
            completion_tokens=sum(reply.completion_tokens for reply in replies),
            latency_ms_median=statistics.median(reply.latency_ms for reply in replies),
            recorded_at=max(reply.recorded_at or "" for reply in replies),
            unplayed=unplayed,
        )

    def _client(self, cell: Cell, *, recording: bool) -> Client:
        experiment, name = cell.experiment, cell.experiment.models[cell.model].provider
        key = (experiment, name, recording)
        if key not in self._clients:
            provider = experiment.providers[name]
            self._clients[key] = Client(
                provider.base_url,
                _api_key(experiment, name) if recording else "replay",
                prompts_per_request=20 if "lists" in provider.supports else 1,
                concurrency=provider.concurrency if recording else 1,
                retries=provider.retries if recording else 0,
                timeout=provider.timeout,
            )
        return self._clients[key]


def _ask(
    cell: Cell, client: Client, progress: Callable[[int], None]
) -> tuple[list[Reply], list[int | None]]:
    """Ask for every test text; the replies and the label ids read from them."""
    rule = rule_of(cell, client)
    model = cell.experiment.models[cell.model].provider_id
    prompts = list(prompts_of(cell).values())
    replies = client.complete(model, prompts, rule.parameters, done=progress)
    return replies, [rule.read(answer) for reply in replies for answer in reply.answers]


def _open(path: Path, cell: Cell) -> CassetteFile:
    return CassetteFile(path, experiment=cell.experiment.name, recording=str(cell))


def _api_key(experiment: Experiment, provider: str) -> str:
    variable = experiment.providers[provider].api_key_env
    if variable is None:
        return "none"
    key = os.environ.get(variable)
    if not key:
        raise CellError(
            f"{experiment.path}: [provider.{provider}] takes its key from the environment variable "
            f"{variable}, which is not set; set it before recording."
        )
    return key


def orphans(experiment: Experiment) -> Iterator[Path]:
    """Cassettes in an experiment's folder that belong to none of its cells."""
    known = {cell.cassette for cell in experiment.cells}
    if experiment.cassettes.is_dir():
        yield from (p for p in sorted(experiment.cassettes.glob("*.jsonl")) if p not in known)
