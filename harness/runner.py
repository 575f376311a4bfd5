"""One cell, from data to result.

Results always come from the cassette: recording first sends what is missing, then the cell is
evaluated by replay. So a recording and every later replay give the same result.
"""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal

from harness.api import Client, Reply
from harness.cassettes import CassetteFile, blocked_network, item_index, use_cassette
from harness.datasets import Dataset, load
from harness.decision_rules import rule_of
from harness.errors import TunebenchError
from harness.formatting.prompts import Example, draw_examples, few_shot_prompt
from harness.scoring import judge, majority_rate, wilson_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pandas as pd

    from harness.experiment import Cell, Experiment

RecordMode = Literal["none", "missing", "all"]
Verdict = Literal["pass", "fail"]

_PART = ".part"


class CellError(TunebenchError):
    """A cell that has no result."""


@dataclass(frozen=True, eq=False)
class Result:
    """What came out of a cell.

    Attributes:
        cell: the cell.
        judgements: one row a text with the columns ``item``, ``label``, ``prediction`` (missing
            where the answer stated no label) and ``correct``.
        prompt_tokens: tokens of all prompts, as the provider counted them.
        completion_tokens: tokens of all completions.
        latency_ms_median: median over the requests, as recorded, milliseconds; a request holds up
            to 20 prompts.
        recorded_at: when the last answer was recorded, ISO 8601.
        unplayed: recorded rows that the cell did not ask for.
    """

    cell: Cell
    judgements: pd.DataFrame
    prompt_tokens: int
    completion_tokens: int
    latency_ms_median: float
    recorded_at: str
    unplayed: int = 0

    @property
    def n(self) -> int:
        """How many texts were asked."""
        return len(self.judgements)

    @cached_property
    def correct(self) -> int:
        """How many answers were right."""
        return int(self.judgements["correct"].sum())

    @property
    def accuracy(self) -> float:
        """The share of right answers; an answer that states no label is not right."""
        return self.correct / self.n

    @property
    def unread(self) -> int:
        """How many answers stated no label."""
        return int(self.judgements["prediction"].isna().sum())

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy."""
        return wilson_interval(self.correct, self.n)

    @cached_property
    def majority_rate(self) -> float:
        """The accuracy of always answering the most frequent label of the test texts."""
        return majority_rate(self.judgements["label"].tolist())

    @property
    def verdict(self) -> Verdict | None:
        """``pass`` or ``fail`` against the cell's threshold; None where it has none."""
        if self.cell.threshold is None:
            return None
        return "pass" if self.accuracy >= self.cell.min_accuracy else "fail"

    def explain(self) -> str:
        """The result in a sentence, for an assertion's message."""
        low, high = self.interval
        unread = f"; {self.unread} answers stated no label" if self.unread else ""
        return (
            f"{self.cell}: {self.correct} of {self.n} right, accuracy {self.accuracy:.3f} "
            f"(95 % interval {low:.3f} to {high:.3f}, always the most frequent label "
            f"{self.majority_rate:.3f}), threshold {self.cell.min_accuracy}{unread}"
        )

    def row(self) -> dict[str, Any]:
        """The result as a row of ``results.json``."""
        cell = self.cell
        low, high = self.interval
        return {
            "experiment": cell.experiment.name,
            "model": cell.model,
            "shots": cell.shots,
            "train_size": cell.train_size,
            "decision_rule": cell.decision_rule,
            "n": self.n,
            "correct": self.correct,
            "unread": self.unread,
            "accuracy": self.accuracy,
            "ci_low": low,
            "ci_high": high,
            "majority_rate": self.majority_rate,
            "min_accuracy": None if cell.threshold is None else cell.min_accuracy,
            "verdict": self.verdict,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "latency_ms_median": self.latency_ms_median,
            "cassette": cell.cassette_name,
            "recorded_at": self.recorded_at,
        }


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
                texts=_texts(cell),
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


@lru_cache(maxsize=8)
def _dataset(name: str) -> Dataset:
    return load(name)


@lru_cache(maxsize=8)
def test_rows(experiment: Experiment) -> pd.DataFrame:
    """The rows that every cell of an experiment is asked: item, text and label id."""
    task = experiment.task
    data = _dataset(task.dataset)
    test = data.test
    if task.test_size > len(test):
        raise CellError(
            f"{experiment.path}: [task] test_size is {task.test_size} and {task.dataset!r} has "
            f"{len(test)} test rows; lower it to {len(test)} or less."
        )
    rows = test.head(task.test_size)
    for split, labels in (("test", rows["label"]), ("training", data.train["label"])):
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(task.labels):
            raise CellError(
                f"{experiment.path}: [task] labels names {len(task.labels)} labels, and the "
                f"{split} rows of {task.dataset!r} have label ids from {labels.min()} to "
                f"{labels.max()}; name each id's label, in the order of the ids."
            )
    return rows


@lru_cache(maxsize=4)
def _examples(experiment: Experiment, shots: int) -> tuple[Example, ...]:
    task = experiment.task
    texts = test_rows(experiment)["text"].tolist()
    train = _dataset(task.dataset).train
    return draw_examples(train, task.labels, shots, seed=task.seed, test_texts=texts)


# A test may evaluate cells in any order; prompts are needed twice when recording.
@lru_cache(maxsize=4)
def _prompts(experiment: Experiment, shots: int) -> dict[str, str]:
    task = experiment.task
    rows = test_rows(experiment)
    examples = _examples(experiment, shots)
    return {
        item: few_shot_prompt(task.instruction, examples, text)
        for item, text in zip(rows["item"], rows["text"], strict=True)
    }


def prompts_of(cell: Cell) -> dict[str, str]:
    """The prompts of a cell by item id, in the order of the test rows."""
    return _prompts(cell.experiment, cell.shots)


def _texts(cell: Cell) -> list[str]:
    """The data set's texts in the cell's prompts."""
    examples = _examples(cell.experiment, cell.shots)
    return [*test_rows(cell.experiment)["text"], *(example.text for example in examples)]


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
