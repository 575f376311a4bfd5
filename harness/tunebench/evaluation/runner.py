"""Evaluation of one cell, from data to result.

Results always come from the cassette: recording first sends what is missing, then the cell is
replayed. So a recording and every later replay give the same result.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tunebench.cassettes import blocked_network
from tunebench.errors import CellError, TunebenchError
from tunebench.evaluation.budget import Budget
from tunebench.evaluation.connections import Connections
from tunebench.evaluation.embeddings import Embedder
from tunebench.evaluation.fine_tuning import FineTunedModels
from tunebench.evaluation.inputs import cut_texts
from tunebench.evaluation.items import recalled_of, test_texts
from tunebench.evaluation.items_writing import check_items, note_items
from tunebench.evaluation.judgements import judge
from tunebench.evaluation.recording import NoProgress, Progress, place_in
from tunebench.evaluation.replaying import read_answers
from tunebench.evaluation.requests import model_name
from tunebench.evaluation.result import Result
from tunebench.evaluation.rules import overrides_of
from tunebench.evaluation.sending import Sender

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tunebench.api import FineTuned
    from tunebench.evaluation.connections import StartProvider
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
    _complete: set[Cell] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._models = FineTunedModels(
            self.record, self._connections, self.start_provider, self.budget, self.unplayed
        )
        self._embedder = Embedder(
            self.record, self._connections, self.start_provider, self.budget, self.unplayed
        )
        self._sender = Sender(
            self.record, self._connections, self.start_provider, self.budget, self.started
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
            self._sender.complete(cell, made, hint, progress)
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

    def _replay(self, cell: Cell, made: FineTuned | None, hint: str) -> Result:
        recalled = recalled_of(cell.experiment)
        texts = test_texts(cell.experiment)
        provider, model = cell.experiment.models[cell.model].provider, model_name(cell, made)
        client = self._connections.client(cell.experiment, provider, recording=False)
        read = read_answers(cell, model, client, hint, recalled)
        self.unplayed[cell.cassette] = read.unplayed
        behind = self._compare_items(cell, read.requests) if recalled is None else None
        seen, totals = read.seen, read.totals
        return Result(
            cell=cell,
            judgements=judge(texts.items, texts.labels, seen.labels, seen.readings),
            prompt_tokens=totals.prompt_tokens,
            completion_tokens=totals.completion_tokens,
            latency_ms_median=totals.latency_ms_median,
            recorded_at=totals.recorded_at,
            unplayed=len(read.unplayed),
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

    def _compare_items(self, cell: Cell, requests: Sequence[Request]) -> str | None:
        if cell.experiment in self.items:
            self.items[cell.experiment].add(cell, requests)
        elif self.record != "none":
            note_items(cell, requests)
        else:
            return check_items(cell, requests)
        return None


@contextmanager
def _errors_of(cell: Cell) -> Iterator[None]:
    try:
        yield
    except CellError:
        raise
    except TunebenchError as error:
        where = place_in(cell, error)
        raise CellError(error.problem, where=where, hint=error.hint) from error
