"""The fine-tuned models of an experiment: their jobs are recorded once and then replayed."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tunebench.api import FineTuned, fine_tune, follow
from tunebench.cassettes import JobCassette, use_cassette
from tunebench.errors import JobError, RecordingError, TunebenchError
from tunebench.evaluation.estimate import Estimate, job_announcement
from tunebench.evaluation.inputs import test_rows, train_rows
from tunebench.evaluation.items import recalled_of
from tunebench.evaluation.recording import cassette_file, place_in, recorded_file
from tunebench.evaluation.training_inputs import job_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tunebench.api import Client, Monitor
    from tunebench.evaluation.budget import Budget
    from tunebench.evaluation.connections import Connections, StartProvider
    from tunebench.experiment import Cell, Experiment
    from tunebench.settings import RecordMode


@dataclass
class FineTunedModels:
    """The models that jobs made, one job for all decision rules.

    Attributes:
        record: see `tunebench.evaluation.runner.Runner`, also for the three others.
        connections: to providers.
        start_provider: called before a request is sent.
        budget: the limits of recordings.
        unplayed: for each cassette of a job that was replayed to the end, its unused rows.
    """

    record: RecordMode
    connections: Connections
    start_provider: StartProvider
    budget: Budget
    unplayed: dict[Path, list[str]] = field(default_factory=dict)
    _models: dict[tuple[Experiment, str], FineTuned] = field(default_factory=dict)
    _errors: dict[tuple[Experiment, str], TunebenchError] = field(default_factory=dict)

    def model(self, cell: Cell, hint: str, monitor: Monitor) -> FineTuned:
        """The model of a fine-tuned cell, by replay of its job, which is recorded first if need be.

        Args:
            cell: a cell with a training size.
            hint: how to record it, for the message of a miss.
            monitor: shows the progress of the job.

        Raises:
            RecordingError: the job failed, or is not recorded.
        """
        if not cell.has_job:
            return _pinned(cell)
        key = (cell.experiment, cell.job)
        if key in self._errors:
            raise _of_cell(cell, self._errors[key])
        if key not in self._models:
            try:
                if self.record != "none":
                    self._recorded(cell, hint, monitor)
                self._models[key] = self._replayed(cell, hint)
            except TunebenchError as error:
                self._errors[key] = error
                raise _of_cell(cell, error) from error
        return self._models[key]

    def _recorded(self, cell: Cell, hint: str, monitor: Monitor) -> None:
        experiment, pin = cell.experiment, cell.pin
        spec = job_of(cell) if pin is None else None
        model = experiment.models[cell.model]
        provider = model.provider
        texts = [*test_rows(experiment)["text"], *train_rows(experiment)["text"][: cell.train_size]]
        failure: JobError | None = None
        with (
            recorded_file(experiment, cell.job_cassette, _recording(cell), self.record) as file,
            use_cassette(
                file,
                before_send=lambda: self.start_provider(
                    experiment, provider, model.provider_id, monitor.say
                ),
                items={},
                texts=texts,
                hint=hint,
                kind=JobCassette,
            ) as cassette,
        ):
            assert isinstance(cassette, JobCassette)
            if spec is not None and cassette.job(spec.mark) is None:
                estimate = Estimate.of_job(cell, spec.train)
                self.budget.take(estimate)
                monitor.say(job_announcement(cell, estimate, spec))
            client = self.connections.client(experiment, provider, recording=True)

            def check() -> None:
                self.budget.check_time(cell.job)

            check()
            try:
                if spec is None:
                    _follow(cell, client, monitor, cassette, check)
                else:
                    fine_tune(client, spec, monitor, cassette, check)
            except JobError as error:  # the end of the job is recorded, and kept
                failure = error
        if failure is not None:
            raise failure

    def _replayed(self, cell: Cell, hint: str) -> FineTuned:
        experiment = cell.experiment
        provider = experiment.models[cell.model].provider
        client = self.connections.client(experiment, provider, recording=False)
        with (
            closing(cassette_file(experiment, cell.job_cassette, _recording(cell))) as file,
            use_cassette(file, before_send=None, items={}, hint=hint, kind=JobCassette) as cassette,
        ):
            if cell.pin is None:
                recalled = recalled_of(experiment)
                spec = job_of(cell, None if recalled is None else recalled.files(cell))
                made = fine_tune(client, spec, None, cassette)
            else:
                made = _follow(cell, client, None, cassette)
            self.unplayed[cell.job_cassette] = cassette.unplayed
        if cell.seed is not None and made.seed not in (None, cell.seed):
            raise RecordingError(
                f"the provider trained with the seed {made.seed}, not with {cell.seed}",
                hint="use a provider that takes seeds, or leave `seeds` out of [fine_tuning]"
                if cell.pin is None
                else "name the job of that seed in [[fine_tuned]]",
            )
        return made


def _pinned(cell: Cell) -> FineTuned:
    """The model that `[[fine_tuned]]` names for a cell."""
    pin = cell.pin
    assert pin is not None
    assert pin.id is not None
    return FineTuned(pin.job or "", pin.id, cell.experiment.models[cell.model].provider_id)


def _follow(
    cell: Cell,
    client: Client,
    monitor: Monitor | None,
    cassette: JobCassette,
    check: Callable[[], None] = lambda: None,
) -> FineTuned:
    """The result of the job that `[[fine_tuned]]` names for a cell."""
    pin, model = cell.pin, cell.experiment.models[cell.model]
    assert pin is not None
    assert pin.job is not None
    cassette.job(pin.job)  # the mark of what is recorded of it
    return follow(client, cell.job, model.provider_id, pin.job, monitor, cassette, check)


def _recording(cell: Cell) -> str:
    """What a job's cassette holds, for its header."""
    return f"{cell.job} (job)"


def _of_cell(cell: Cell, error: TunebenchError) -> RecordingError:
    return RecordingError(error.problem, where=place_in(cell, error), hint=error.hint)
