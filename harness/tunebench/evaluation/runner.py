"""Evaluation of one cell, from data to result.

Results always come from the cassette: recording first sends what is missing, then the cell is
replayed. So a recording and every later replay give the same result.
"""

from __future__ import annotations

import time
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
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
from tunebench.evaluation.items import items_path, recalled_of, test_texts
from tunebench.evaluation.items_writing import check_items, note_items
from tunebench.evaluation.judgements import judge
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
    text_requests,
)
from tunebench.evaluation.result import Calibration, Result
from tunebench.evaluation.rules import overrides_of, rule_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tunebench.api import Answer, Client, FineTuned, Prompt
    from tunebench.cassettes import RecordedCassette
    from tunebench.evaluation.connections import StartProvider
    from tunebench.evaluation.items import Recalled
    from tunebench.evaluation.items_writing import Items
    from tunebench.evaluation.requests import Request
    from tunebench.experiment import Cell, EmbeddingRival, Experiment
    from tunebench.settings import RecordMode


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
            where = place_in(cell, error)
            raise CellError(error.problem, where=where, hint=error.hint) from error

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
        items: dict[str, str] = {}
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
                texts=[*texts_of(cell), *texts_asked_for((cell, *cell.sharing))],
                hint=hint,
                answers_as=known_names(cell.experiment, provider),
            ) as cassette,
        ):
            client = self._connections.client(cell.experiment, provider, recording=True)
            model = _model_name(cell, made)
            # A whole recording replaces what the other cells of the cassette need, too.
            others = cell.sharing if self.record == "all" else ()
            requests = _to_record(cell, others, client)
            lacking = []
            for request in requests:
                items |= request.items
                fields = {"model": model, **request.fields}
                prompts = list(request.prompts.values())
                lacking.append(cassette.lacking(request.endpoint, fields, prompts))
            progress.answered(len(requests[-1].prompts) - len(lacking[-1]))
            wanted, name = sum(map(len, lacking)), str(cell)
            lacking = _first(lacking, self.budget.allowed(name, wanted))
            if to_send := [prompt for prompts in lacking for prompt in prompts]:
                estimate = Estimate.of_answers(cell, to_send, file)
                if (line := answers_announcement(estimate, len(to_send))) is not None:
                    progress.say(line)
                self.budget.take(estimate)
            for number, (request, prompts) in enumerate(zip(requests, lacking, strict=True), 1):
                try:
                    with _known_model(cell):
                        client.complete(
                            model,
                            prompts,
                            request.fields,
                            done=progress.answered if number == len(requests) else lambda _: None,
                            say=lambda line: progress.say(f"{cell}: {line}"),
                            check=lambda: self.budget.check_time(name),
                        )
                except RequestError as error:
                    if error.prompt is None:
                        raise
                    raise in_row(cell.experiment, name, request.prompts, prompts, error) from error
            if left := wanted - len(to_send):
                self.budget.refuse_more(name, left)

    def _replay(self, cell: Cell, made: FineTuned | None, hint: str) -> Result:
        provider = cell.experiment.models[cell.model].provider
        recalled = recalled_of(cell.experiment)
        texts = test_texts(cell.experiment)
        client = self._connections.client(cell.experiment, provider, recording=False)
        model = _model_name(cell, made)
        items: dict[str, str] = {}
        places = dataset_of(cell.experiment).places if recalled is None else {}
        with (
            closing(cassette_file(cell.experiment, cell.cassette, cell.recording)) as file,
            use_cassette(file, before_send=None, items=items, hint=hint, places=places) as cassette,
        ):

            def ask(requests: Sequence[Request]) -> list[list[Answer]]:
                answers = []
                for request in requests:
                    items.update(request.items)
                    if recalled is None:
                        prompts = list(request.prompts.values())
                        replies = client.complete(model, prompts, request.fields)
                        answers.append([answer for reply in replies for answer in reply.answers])
                    else:
                        fields, hashes = {"model": model, **request.fields}, request.hashes.values()
                        answers.append(list(cassette.recalled(request.endpoint, fields, hashes)))
                return answers

            rule = rule_of(cell, client)
            requests = text_requests(cell, rule, recalled)
            answers = ask(requests)
            totals, played = cassette.totals(), len(cassette.played)
            calibration = None
            if (fitted_to := calibration_of(cell, recalled)) is not None:
                further = calibration_requests(cell, rule, recalled)
                rule = rule.fitted(ask(further), fitted_to.labels)
                requests += further
                calibration = Calibration.of(rule, cassette.totals(since=played))
            decisions = rule.decide(answers)
            if not cassette.all_played:
                _spare(cassette, cell.sharing, client, model, recalled)
            unplayed = self.unplayed[cell.cassette] = cassette.unplayed
        behind = self._compare_items(cell, requests) if recalled is None else None
        return Result(
            cell=cell,
            judgements=judge(
                texts.items,
                texts.labels,
                [decision.label for decision in decisions],
                [decision.reading for decision in decisions],
            ),
            prompt_tokens=totals.prompt_tokens,
            completion_tokens=totals.completion_tokens,
            latency_ms_median=totals.latency_ms_median,
            recorded_at=totals.recorded_at,
            unplayed=len(unplayed),
            fine_tuned=made,
            seconds=totals.seconds,
            server=", ".join(totals.servers),
            label_logprobs=tuple(decision.logprobs for decision in decisions),
            answers=tuple(answer.text for answer in answers[0]) if len(answers) == 1 else (),
            answered_as=", ".join(name for name in totals.models if name != model),
            overrides=overrides_of(rule, cell.experiment.models[cell.model].parameters),
            calibration=calibration,
            groups=texts.groups,
            checked_against_data=recalled is None,
            items_behind=behind,
            cut=cut_texts(cell.experiment) if recalled is None else None,
            recorded_limits=file.recorded_limits.get(str(cell)),
        )

    def _compare_items(self, cell: Cell, requests: Sequence[Request]) -> str | None:
        if cell.experiment in self.items:
            self.items[cell.experiment].add(cell, requests)
        elif self.record != "none":
            note_items(cell, requests)
        else:
            return check_items(cell, requests)
        return None


def _first(parts: list[list[Prompt]], count: int) -> list[list[Prompt]]:
    """The parts, as far as they hold so many prompts together."""
    first = []
    for part in parts:
        first.append(part[:count])
        count -= len(first[-1])
    return first


def _to_record(cell: Cell, others: Sequence[Cell], client: Client) -> list[Request]:
    """The requests of a cell, those of others that share its cassette, and at last its texts'."""
    rule = rule_of(cell, client)
    texts, requests = text_requests(cell, rule), calibration_requests(cell, rule)
    for one in others:
        requests += _requests_if_any(one, client)
    different = []
    for request in requests:
        if request not in different and request not in texts:
            different.append(request)
    return different + texts


def _spare(
    cassette: RecordedCassette,
    cells: Sequence[Cell],
    client: Client,
    model: str,
    recalled: Recalled | None,
) -> None:
    """Count the rows that other cells of a cassette ask for as used."""
    for cell in cells:
        for request in _requests_if_any(cell, client, recalled):
            fields = {"model": model, **request.fields}
            cassette.spare(request.endpoint, fields, request.hashes.values())


def _requests_if_any(cell: Cell, client: Client, recalled: Recalled | None = None) -> list[Request]:
    # What keeps another cell from being asked is said where that one is evaluated.
    with suppress(TunebenchError):
        rule = rule_of(cell, client)
        further = calibration_requests(cell, rule, recalled)
        return further + text_requests(cell, rule, recalled)
    return []


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


def orphans(experiment: Experiment) -> Iterator[Path]:
    """The cassettes in an experiment's folder that belong to none of its cells and rivals."""
    known = {cell.cassette for cell in experiment.cells} | {items_path(experiment)}
    known |= {experiment.embeddings_cassette(rival) for rival in experiment.embedding_rivals}
    known |= {cell.job_cassette for cell in experiment.jobs.values()}
    folders = ("", "jobs", "embeddings")
    for folder in (experiment.cassettes / name for name in folders):
        if folder.is_dir():
            yield from (path for path in sorted(folder.glob("*.jsonl")) if path not in known)
