"""One cell, from data to result.

Results always come from the cassette: recording first sends what is missing, then the cell is
evaluated by replay. So a recording and every later replay give the same result.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunebench.api import endpoint_of
from tunebench.cassettes import CassetteFile, blocked_network, item_index, use_cassette
from tunebench.errors import CellError, TunebenchError
from tunebench.evaluation.connections import Connections, known_names
from tunebench.evaluation.fine_tuning import FineTunedModels
from tunebench.evaluation.inputs import prompts_of, test_rows, texts_of
from tunebench.evaluation.judgements import judge
from tunebench.evaluation.recording import NoProgress, Progress, recorded_file
from tunebench.evaluation.result import Result
from tunebench.evaluation.rules import fields_of, overrides_of, rule_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tunebench.api import FineTuned, Prompt
    from tunebench.evaluation.budget import Budget
    from tunebench.evaluation.rules import Rule
    from tunebench.experiment import Cell, Experiment
    from tunebench.settings import RecordMode


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
        """Evaluate a cell, after recording what is missing if that is asked for.

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
        """The model of a fine-tuned cell alone, by its job, which may be recorded first.

        Args:
            cell: a cell with a training size.
            hint: how to record its job, for the message of a miss.
            progress: told how the job gets on.

        Raises:
            RecordingError: the job failed, or is not recorded.
        """
        blocked = blocked_network(cell.job) if self.record == "none" else nullcontext()
        with blocked:
            return self._models.model(cell, hint, progress or NoProgress())

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()

    def _record(self, cell: Cell, made: FineTuned | None, hint: str, progress: Progress) -> None:
        provider = cell.experiment.models[cell.model].provider
        items: dict[str, str] = {}
        with (
            recorded_file(_open, cell, cell.cassette, self.record) as file,
            use_cassette(
                file,
                before_send=lambda: self.start_provider(cell.experiment, provider),
                items=items,
                texts=texts_of(cell),
                hint=hint,
                answers_as=known_names(cell.experiment, provider),
            ) as cassette,
        ):
            client = self._connections.client(cell.experiment, provider, recording=True)
            model = _asked(cell, made)
            requests = _requests(cell, rule_of(cell, client))
            lacking = []
            for asked in requests:
                items |= item_index(asked.prompts)
                prompts = list(asked.prompts.values())
                endpoint = f"POST {endpoint_of(prompts[0])[1:]}"
                fields = {"model": model, **asked.fields}
                lacking.append(cassette.lacking(endpoint, fields, prompts))
            from tunebench.evaluation.budget import (
                announcement,  # late: only recordings cost anything
            )

            to_ask = [prompt for prompts in lacking for prompt in prompts]
            if (line := announcement(cell, to_ask, file)) is not None:
                progress.say(line)
            if self.budget is not None:
                self.budget.take_cell(cell, to_ask, file)
            progress.answered(len(requests[-1].prompts) - len(lacking[-1]))
            for number, (asked, prompts) in enumerate(zip(requests, lacking, strict=True), 1):
                client.complete(
                    model,
                    prompts,
                    asked.fields,
                    done=progress.answered if number == len(requests) else lambda _: None,
                    say=lambda line: progress.say(f"{cell}: {line}"),
                )

    def _replay(self, cell: Cell, made: FineTuned | None, hint: str) -> Result:
        provider = cell.experiment.models[cell.model].provider
        rows = test_rows(cell.experiment)
        client = self._connections.client(cell.experiment, provider, recording=False)
        file = _open(cell, cell.cassette)
        items: dict[str, str] = {}
        try:
            with use_cassette(file, before_send=None, items=items, hint=hint) as cassette:
                rule = rule_of(cell, client)
                answers = []
                for asked in _requests(cell, rule):
                    items |= item_index(asked.prompts)
                    prompts = list(asked.prompts.values())
                    replies = client.complete(_asked(cell, made), prompts, asked.fields)
                    answers.append([answer for reply in replies for answer in reply.answers])
                decisions = [rule.read(*of_text) for of_text in zip(*answers, strict=True)]
                unplayed = self.unplayed[cell.cassette] = cassette.unplayed
                totals = cassette.totals()
        finally:
            file.close()
        return Result(
            cell=cell,
            judgements=judge(
                rows["item"].tolist(),
                rows["label"].tolist(),
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
            answered_as=", ".join(name for name in totals.models if name != _asked(cell, made)),
            overrides=overrides_of(rule, cell.experiment.models[cell.model].parameters),
        )


@dataclass(frozen=True)
class _Request:
    """What each text of a cell is asked once: the request's fields, and the prompts by item id."""

    fields: dict[str, Any]
    prompts: dict[str, Prompt]


def _requests(cell: Cell, rule: Rule) -> Sequence[_Request]:
    """What a cell asks, a request for each round of its rule."""
    prompts = dict(prompts_of(cell))
    parameters = cell.experiment.models[cell.model].parameters
    return [
        _Request(
            fields_of(asked, parameters),
            # Of completions only: a chat cannot be continued.
            {item: f"{prompt}{asked.suffix}" for item, prompt in prompts.items()}
            if asked.suffix
            else prompts,
        )
        for asked in rule.rounds
    ]


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
