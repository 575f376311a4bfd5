"""Recording of a cell: the prompts that its cassette does not answer are sent."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from tunebench.api import is_model_missing
from tunebench.cassettes import use_cassette
from tunebench.errors import RecordingError, RequestError
from tunebench.evaluation.calibration import texts_asked_for
from tunebench.evaluation.connections import known_names
from tunebench.evaluation.estimate import Estimate, answers_announcement
from tunebench.evaluation.inputs import texts_of
from tunebench.evaluation.prompts import Chosen, ItemsByHash
from tunebench.evaluation.recording import recorded_file
from tunebench.evaluation.requests import in_row, model_name, requests_to_record

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterator

    from tunebench.api import FineTuned, Prompt
    from tunebench.evaluation.budget import Budget
    from tunebench.evaluation.connections import Connections, StartProvider
    from tunebench.evaluation.recording import Progress
    from tunebench.experiment import Cell
    from tunebench.settings import RecordMode


@dataclass
class Sender:
    """Sends the prompts of cells.

    Attributes:
        record: see `tunebench.evaluation.runner.Runner`, also for the four others.
        connections: to providers.
        start_provider: called before a request is sent.
        budget: the limits of recordings.
        started: when the run began.
    """

    record: RecordMode
    connections: Connections
    start_provider: StartProvider
    budget: Budget
    started: int

    def complete(self, cell: Cell, made: FineTuned | None, hint: str, progress: Progress) -> None:
        """Send what the cassette of a cell lacks.

        Args:
            cell: the cell.
            made: its fine-tuned model, or None.
            hint: how to record it, for the message of a miss.
            progress: shows the progress.

        Raises:
            TunebenchError: data or provider did not give what the cell needs.
        """
        declared = cell.experiment.models[cell.model]
        provider = declared.provider
        items = ItemsByHash()
        with (
            recorded_file(
                cell.experiment,
                cell.cassette,
                cell.recording,
                self.record,
                shared_since=self.started if cell.sharing else None,
                cells=(cell, *cell.sharing),
            ) as file,
            use_cassette(
                file,
                before_send=lambda: self.start_provider(
                    cell.experiment, provider, declared.provider_id, progress.say
                ),
                items=items,
                texts=_Texts(cell),
                hint=hint,
                answers_as=known_names(cell.experiment, provider),
            ) as cassette,
        ):
            client = self.connections.client(cell.experiment, provider, recording=True)
            model = model_name(cell, made)
            # A whole recording replaces what the other cells of the cassette need, too.
            others = cell.sharing if self.record == "all" else ()
            requests = requests_to_record(cell, others, client)
            items.add(requests)
            lacking = []
            for request in requests:
                fields = {"model": model, **request.fields}
                hashes = request.hashes.values()
                lacking.append(cassette.lacking_of(request.endpoint, fields, hashes))
            progress.answered(len(requests[-1].hashes) - len(lacking[-1]))
            wanted, name = sum(map(len, lacking)), str(cell)
            lacking = _first(lacking, self.budget.allowed(name, wanted))
            to_send = _ToSend(
                [
                    Chosen(request.prompts, places)
                    for request, places in zip(requests, lacking, strict=True)
                    if request.prompts is not None
                ]
            )
            if to_send:
                estimate = Estimate.of_answers(cell, to_send, file)
                if (line := answers_announcement(estimate, len(to_send))) is not None:
                    progress.say(line)
                self.budget.take(estimate)
            for number, (request, chosen) in enumerate(
                zip(requests, to_send.parts, strict=True), 1
            ):
                try:
                    with _known_model(cell):
                        replies = client.stream(
                            model,
                            chosen,
                            request.fields,
                            done=progress.answered if number == len(requests) else lambda _: None,
                            say=lambda line: progress.say(f"{cell}: {line}"),
                            check=lambda: self.budget.check_time(name),
                        )
                        for _ in replies:  # the cassette has them
                            pass
                except RequestError as error:
                    if error.prompt is None:
                        raise
                    raise in_row(cell.experiment, name, chosen.item(error.prompt), error) from error
            if left := wanted - len(to_send):
                self.budget.refuse_more(name, left)


def _first(parts: list[array[int]], count: int) -> list[array[int]]:
    """The parts, as far as they hold so many places together."""
    first = []
    for part in parts:
        first.append(part[:count])
        count -= len(first[-1])
    return first


class _Texts:
    """The texts of the data set in what a cell, and those that share its cassette, ask."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def __iter__(self) -> Iterator[str]:
        cell = self._cell
        return chain(texts_of(cell), texts_asked_for((cell, *cell.sharing)))


class _ToSend:
    """The prompts of all rounds that are sent."""

    def __init__(self, parts: list[Chosen]) -> None:
        self.parts = parts

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __iter__(self) -> Iterator[Prompt]:
        return chain.from_iterable(self.parts)

    def __contains__(self, prompt: object) -> bool:
        return any(prompt in part for part in self.parts)


@contextmanager
def _known_model(cell: Cell) -> Iterator[None]:
    """Say what to do where a provider no longer has a fine-tuned model."""
    try:
        yield
    except RequestError as error:
        if not cell.train_size or not is_model_missing(error):
            raise
        there = "not there"
        if cell.pin is None:
            there = "no longer there"
            fix = f"to train it again, remove {cell.job_cassette}"
        else:
            fix = "name another in [[fine_tuned]], or remove that entry to train one"
        raise RecordingError(
            f"the fine-tuned model is {there}, as {error.problem}",
            where=error.where,
            hint=f"{fix}; what is recorded of it replays without the provider",
        ) from error
