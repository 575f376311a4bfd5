"""Evaluation of one cell, from data to result.

Results always come from the cassette: recording first sends what is missing, then the cell is
replayed. So a recording and every later replay give the same result.
"""

from __future__ import annotations

import time
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING

from tunebench.api import is_model_missing
from tunebench.cassettes import blocked_network, use_cassette
from tunebench.errors import CellError, RecordingError, RequestError, TunebenchError
from tunebench.evaluation.budget import Budget
from tunebench.evaluation.calibration import texts_asked_for
from tunebench.evaluation.connections import Connections, known_names
from tunebench.evaluation.embeddings import Embedder
from tunebench.evaluation.estimate import Estimate, answers_announcement
from tunebench.evaluation.fine_tuning import FineTunedModels
from tunebench.evaluation.inputs import cut_texts, dataset_of, texts_of
from tunebench.evaluation.items import recalled_of, test_texts
from tunebench.evaluation.items_writing import check_items, note_items
from tunebench.evaluation.judgements import Seen, judge
from tunebench.evaluation.prompts import Chosen, ItemsByHash
from tunebench.evaluation.recording import (
    NoProgress,
    Progress,
    cassette_file,
    place_in,
    recorded_file,
)
from tunebench.evaluation.requests import (
    calibration_of,
    calibration_requests,
    in_row,
    requests_if_any,
    requests_to_record,
    text_requests,
)
from tunebench.evaluation.result import Calibration, Result
from tunebench.evaluation.rules import overrides_of, rule_of

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tunebench.api import Answer, Client, FineTuned, Prompt
    from tunebench.cassettes import RecordedCassette, Totals
    from tunebench.evaluation.connections import StartProvider
    from tunebench.evaluation.items import Recalled
    from tunebench.evaluation.items_writing import Items
    from tunebench.evaluation.requests import Request
    from tunebench.evaluation.rules import Rule
    from tunebench.experiment import Cell, EmbeddingRival, Experiment
    from tunebench.settings import RecordMode

_RECALLED_AT_ONCE = 1000


@dataclass
class Runner:
    """Evaluates cells; keeps data and connections for the next one.

    Attributes:
        record: ``none`` replays and sends nothing; ``missing`` sends what the cassette lacks;
            ``all`` records a new cassette, which replaces the old one when it is complete.
        start_provider: called before a request is sent, see `StartedProvider.start`.
        budget: the limits of recordings.
        unplayed: for each cassette that was replayed to the end, the keys of the rows that no cell
            of its experiment uses.
        items: for experiments whose ``items.jsonl`` is to be written again, its new content so far;
            a replay adds to it, and is not compared with the file.
        started: when the run began, nanoseconds since 1970: with ``all``, a cassette that several
            cells share is recorded once in a run.
    """

    record: RecordMode = "none"
    start_provider: StartProvider = lambda *_: None
    budget: Budget = field(default_factory=Budget)
    unplayed: dict[Path, list[str]] = field(default_factory=dict)
    items: dict[Experiment, Items] = field(default_factory=dict)
    started: int = field(default_factory=time.time_ns)
    _connections: Connections = field(default_factory=Connections)
    _complete: set[Cell] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._models = FineTunedModels(
            self.record, self._connections, self.start_provider, self.budget, self.unplayed
        )
        self._embedder = Embedder(
            self.record, self._connections, self.start_provider, self.budget, self.unplayed
        )

    def evaluate(self, cell: Cell, hint: str, progress: Progress | None = None) -> Result:
        """Evaluate a cell; records it first unless `record` is ``none``.

        Args:
            cell: the cell.
            hint: how to record it, for the message of a miss.
            progress: shows the progress of the recording.

        Raises:
            CellError: data, cassette or provider did not give what the cell needs. What was
                recorded until then is kept.
        """
        self.complete(cell, hint, progress)
        with _errors_of(cell), blocked_network(str(cell)):
            made = self._models.model(cell, hint, NoProgress()) if cell.train_size else None
            return self._replay(cell, made, hint)

    def complete(self, cell: Cell, hint: str, progress: Progress | None = None) -> None:
        """Record what the cassettes of a cell lack, once; nothing if `record` is ``none``.

        Several threads may do so for cells that share neither a cassette nor a job. Arguments and
        errors are those of `evaluate`.
        """
        if self.record == "none" or cell in self._complete:
            return
        progress = progress or NoProgress()
        with _errors_of(cell):
            made = self._models.model(cell, hint, progress) if cell.train_size else None
            self._record(cell, made, hint, progress)
        self._complete.add(cell)

    def fine_tuned(self, cell: Cell, hint: str, progress: Progress | None = None) -> FineTuned:
        """The model of a fine-tuned cell, from its job; records that first as `evaluate` does.

        Args:
            cell: a cell with a training size.
            hint: how to record its job, for the message of a miss.
            progress: shows the progress of the job.

        Raises:
            RecordingError: the job failed, or is not recorded.
        """
        blocked = blocked_network(cell.job) if self.record == "none" else nullcontext()
        with blocked:
            return self._models.model(cell, hint, progress or NoProgress())

    def embed(
        self,
        experiment: Experiment,
        rival: EmbeddingRival,
        texts: Mapping[str, str],
        progress: Progress | None = None,
    ) -> dict[str, bytes]:
        """The embeddings of a rival by text; records them first as `evaluate` does.

        Args:
            experiment: the experiment.
            rival: one of its rivals.
            texts: by item id.
            progress: shows the progress of the recording.

        Raises:
            TunebenchError: cassette or provider did not give them. What was recorded until then is
                kept.
        """
        return self._embedder.vectors(experiment, rival, texts, progress or NoProgress())

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()

    def _record(self, cell: Cell, made: FineTuned | None, hint: str, progress: Progress) -> None:
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
            client = self._connections.client(cell.experiment, provider, recording=True)
            model = _model_name(cell, made)
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

    def _replay(self, cell: Cell, made: FineTuned | None, hint: str) -> Result:
        recalled = recalled_of(cell.experiment)
        texts = test_texts(cell.experiment)
        read = self._read(cell, made, hint, recalled)
        behind = self._compare_items(cell, read.requests) if recalled is None else None
        seen, totals, model = read.seen, read.totals, _model_name(cell, made)
        return Result(
            cell=cell,
            judgements=judge(texts.items, texts.labels, seen.labels, seen.readings),
            prompt_tokens=totals.prompt_tokens,
            completion_tokens=totals.completion_tokens,
            latency_ms_median=totals.latency_ms_median,
            recorded_at=totals.recorded_at,
            unplayed=len(self.unplayed[cell.cassette]),
            fine_tuned=made,
            seconds=totals.seconds,
            server=", ".join(totals.servers),
            label_logprobs=seen.logprobs,
            answers=seen.texts,
            answered_as=", ".join(name for name in totals.models if name != model),
            overrides=overrides_of(read.rule, cell.experiment.models[cell.model].parameters),
            calibration=read.calibration,
            groups=texts.groups,
            checked_against_data=recalled is None,
            items_behind=behind,
            cut=cut_texts(cell.experiment) if recalled is None else None,
            recorded_limits=read.limits,
        )

    def _read(
        self, cell: Cell, made: FineTuned | None, hint: str, recalled: Recalled | None
    ) -> _Read:
        """Read a cell's answers; the cassette's index is gone with this call."""
        provider = cell.experiment.models[cell.model].provider
        client = self._connections.client(cell.experiment, provider, recording=False)
        model = _model_name(cell, made)
        items = ItemsByHash()
        places = dataset_of(cell.experiment).places if recalled is None else {}
        with (
            closing(cassette_file(cell.experiment, cell.cassette, cell.recording)) as file,
            use_cassette(file, before_send=None, items=items, hint=hint, places=places) as cassette,
        ):

            def ask(requests: Sequence[Request]) -> list[Iterator[Answer]]:
                items.add(requests)
                return [_answers(request, client, cassette, model) for request in requests]

            rule = rule_of(cell, client)
            requests = text_requests(cell, rule, recalled)
            calibration, fitted_to = None, calibration_of(cell, recalled)
            if fitted_to is None:
                seen = Seen.of(rule, ask(requests))
                totals = cassette.totals()
            else:  # before it is fitted it reads no answer
                answers = list(map(list, ask(requests)))
                totals = cassette.totals()
                further = calibration_requests(cell, rule, recalled)
                rule = rule.fitted(list(map(list, ask(further))), fitted_to.labels)
                requests += further
                calibration = Calibration.of(rule, cassette.totals())
                seen = Seen.of(rule, answers)
            if not cassette.all_played:
                _spare(cassette, cell.sharing, client, model, recalled)
            self.unplayed[cell.cassette] = cassette.unplayed
            limits = file.recorded_limits.get(str(cell))
        return _Read(requests, rule, seen, totals, calibration, limits)

    def _compare_items(self, cell: Cell, requests: Sequence[Request]) -> str | None:
        if cell.experiment in self.items:
            self.items[cell.experiment].add(cell, requests)
        elif self.record != "none":
            note_items(cell, requests)
        else:
            return check_items(cell, requests)
        return None


@dataclass(frozen=True)
class _Read:
    """What was read of a cell's cassette, with the rule and for the requests as they are here."""

    requests: Sequence[Request]
    rule: Rule
    seen: Seen
    totals: Totals
    calibration: Calibration | None
    limits: Mapping[str, float] | None


@contextmanager
def _errors_of(cell: Cell) -> Iterator[None]:
    try:
        yield
    except CellError:
        raise
    except TunebenchError as error:
        where = place_in(cell, error)
        raise CellError(error.problem, where=where, hint=error.hint) from error


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


def _answers(
    request: Request, client: Client, cassette: RecordedCassette, model: str
) -> Iterator[Answer]:
    """The recorded answers to a request's prompts, in their order."""
    if request.prompts is not None:
        for reply in client.stream(model, Chosen.all(request.prompts), request.fields):
            yield from reply.answers
        return
    fields, hashes = {"model": model, **request.fields}, iter(request.hashes.values())
    while some := list(islice(hashes, _RECALLED_AT_ONCE)):
        yield from cassette.recalled(request.endpoint, fields, some)


def _spare(
    cassette: RecordedCassette,
    cells: Sequence[Cell],
    client: Client,
    model: str,
    recalled: Recalled | None,
) -> None:
    """Count the rows that other cells of a cassette ask for as used."""
    for cell in cells:
        for request in requests_if_any(cell, client, recalled):
            fields = {"model": model, **request.fields}
            cassette.spare(request.endpoint, fields, request.hashes.values())


def _model_name(cell: Cell, made: FineTuned | None) -> str:
    """The model's name in requests."""
    return made.model if made else cell.experiment.models[cell.model].provider_id


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
