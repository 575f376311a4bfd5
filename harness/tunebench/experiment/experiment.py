"""An experiment: a task, its models, its matrix and its thresholds, read from one TOML file.

Reading checks the whole file. It loads no data and sends no request.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tunebench.errors import ExperimentError
from tunebench.experiment.checks import check_file
from tunebench.experiment.combinations import Combination, combinations_of, skipped_by
from tunebench.experiment.limits import Limit, limits_of, xfail_of
from tunebench.experiment.loading import read_file
from tunebench.experiment.pins import pin_of
from tunebench.experiment.readers import note_readers
from tunebench.files import state_of
from tunebench.settings import cassettes_of

if TYPE_CHECKING:
    from tunebench.experiment.fields import DecisionRule
    from tunebench.experiment.models import (
        EmbeddingRival,
        FineTunedModel,
        FineTuning,
        Model,
        Provider,
    )
    from tunebench.experiment.schema import AnswerRule, Calibration, Matrix, Task, Threshold
    from tunebench.formatting import ReadingRule


@dataclass(frozen=True)
class Cell(Combination):
    """One model × shots × training size × decision rule of an experiment: one test case.

    With several instructions, draws of examples or seeds of training it is one for each of these.
    ``str()`` gives its test id: ``smollm2-135m-1shot``, ``smollm2-135m-ft300-label_logprobs``.

    Attributes:
        model: the name of the model in the experiment.
        shots: the number of worked examples in the prompt.
        train_size: the number of training rows; 0 if the model is not fine-tuned.
        decision_rule: how an answer is read.
        instruction: the name of its instruction; None if the experiment has the task's alone, or
            the model is fine-tuned.
        example_draw: which draw of worked examples is in its prompt; None if there is one only.
        seed: the seed of its training; None if there is one only.
        experiment: the experiment that it belongs to.
        limits: what it must reach, at most one limit of each kind.
        xfail: why it is expected not to reach them; None if it is expected to.
    """

    experiment: Experiment = field(kw_only=True)
    limits: tuple[Limit, ...] = ()
    xfail: str | None = None

    def __repr__(self) -> str:
        return f"Cell({self.experiment.name}/{self})"

    @property
    def other_prompts(self) -> tuple[Cell, ...]:
        """The other prompted cells of the same model, under each decision rule."""
        return tuple(
            cell
            for cell in self.experiment.prompted_cells
            if cell.model == self.model and cell != self
        )

    def prompted(self, shots: int, decision_rule: DecisionRule = "text") -> Cell:
        """The same model's cell without fine-tuning, with that many worked examples.

        Raises:
            ExperimentError: the matrix has no such cell.
        """
        for cell in self.experiment.prompted_cells:
            if (cell.model, cell.shots, cell.decision_rule) == (self.model, shots, decision_rule):
                return cell
        raise ExperimentError(
            f"there is no prompted cell of {self.model!r} with {shots} shots and decision rule "
            f"{decision_rule!r} to compare {self} with",
            where=self.experiment.path,
            hint="add it to [matrix] or name another",
        )

    @property
    def threshold(self) -> Limit | None:
        """Its `min_accuracy` as a limit; None if the experiment sets none for it."""
        return next((limit for limit in self.limits if limit.gate == "min_accuracy"), None)

    @property
    def gates(self) -> dict[str, float]:
        """Its limits by their keys."""
        return {limit.key: limit.value for limit in self.limits}

    @property
    def min_accuracy(self) -> float:
        """The accuracy it must reach; 0 if the experiment sets none for it."""
        return self.threshold.value if self.threshold else 0.0

    @property
    def instruction_text(self) -> str:
        """The first line of its prompt."""
        wordings = self.experiment.matrix.instructions
        if self.instruction is None or wordings is None:
            return self.experiment.task.instruction
        return wordings[self.instruction]

    @property
    def examples_seed(self) -> int:
        """The seed of the draw of its worked examples."""
        return self.experiment.task.seed + (self.example_draw or 0)

    @property
    def training_seed(self) -> int:
        """The seed of its training."""
        return self.experiment.fine_tuning.first_seed if self.seed is None else self.seed

    @property
    def cassette(self) -> Path:
        """The path of its cassette."""
        return self.experiment.cassettes / f"{self.recording}.jsonl"

    @property
    def sharing(self) -> tuple[Cell, ...]:
        """The other cells that are answered from its cassette."""
        return tuple(
            cell
            for cell in self.experiment.cells
            if cell.recording == self.recording and cell != self
        )

    @property
    def pin(self) -> FineTunedModel | None:
        """The entry that names its fine-tuned model, or its job; None if it is trained."""
        return pin_of(self.experiment.fine_tuned_models, self)

    @property
    def has_job(self) -> bool:
        """Whether its model comes from a fine-tuning job that is run, or read."""
        return self.train_size > 0 and (self.pin is None or self.pin.id is None)

    @property
    def job(self) -> str:
        """The name of the fine-tuning job that makes its model, as ``smollm2-135m-ft300``."""
        return self.answered_by

    @property
    def job_cassette(self) -> Path:
        """The path of that job's cassette."""
        return self.experiment.cassettes / "jobs" / f"{self.job}.jsonl"

    @property
    def cassette_name(self) -> str:
        """The cassette's path from the folder that holds ``cassettes``, with forward slashes."""
        folder = self.experiment.cassettes
        return f"{folder.parent.name}/{folder.name}/{self.recording}.jsonl"


@dataclass(frozen=True)
class Experiment:
    """An experiment file that was read and checked.

    Attributes:
        path: the TOML file.
        task: the labelled texts, label names and instruction.
        providers: providers by name.
        models: models by name.
        matrix: the combinations that are cells.
        fine_tuning: the hyperparameters of fine-tuning.
        calibration: how cells of the rule ``calibrated`` are calibrated.
        answer: what the answer asks for.
        thresholds: in the order of the file.
        embedding_rivals: the rivals of the file, in its order.
        fine_tuned_models: those that exist already, in the order of the file.
        read_at: when it was read, nanoseconds of this process's monotonic clock.
    """

    path: Path
    task: Task
    providers: dict[str, Provider]
    models: dict[str, Model]
    matrix: Matrix
    fine_tuning: FineTuning
    calibration: Calibration
    answer: AnswerRule
    thresholds: tuple[Threshold, ...]
    embedding_rivals: tuple[EmbeddingRival, ...] = ()
    fine_tuned_models: tuple[FineTunedModel, ...] = ()
    read_at: int = field(default_factory=time.monotonic_ns, compare=False, repr=False)

    @classmethod
    def beside(cls, file: str | os.PathLike[str]) -> Experiment:
        """Read ``experiment.toml`` in the folder of a file, as ``Experiment.beside(__file__)``."""
        return cls.read(Path(file).parent / "experiment.toml")

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Experiment:
        """Read an experiment file.

        Raises:
            ExperimentError: the file is missing, is not TOML, has an unknown or missing key or a
                value out of range, or names a model, provider or cell that it does not define.
        """
        path = Path(path)
        note_readers()
        file = read_file(path)
        check_file(path, file)
        return cls(
            path=path,
            task=file.task,
            providers=file.provider,
            models={model.name: model for model in file.model},
            matrix=file.matrix,
            fine_tuning=file.fine_tuning,
            calibration=file.calibration,
            answer=file.answer,
            thresholds=tuple(file.threshold),
            embedding_rivals=tuple(file.rival),
            fine_tuned_models=tuple(file.fine_tuned),
        )

    def __hash__(self) -> int:
        return hash(self.path)

    @property
    def name(self) -> str:
        """The name of the experiment, which is its task's."""
        return self.task.name

    @cached_property
    def cassettes(self) -> Path:
        """The folder of the experiment's cassettes; see `cassettes_of`."""
        return cassettes_of(self.path, self.name)

    @cached_property
    def data_state(self) -> tuple[str | None, ...]:
        """The names and checksums of its data files when this property was first used.

        An experiment that is read again from the same path may find changed data.
        """
        folder = self.path.absolute().parent
        names = (self.task.dataset, self.task.test_dataset)
        paths = [Path(os.path.normpath(folder / Path(n).expanduser())) for n in names if n]
        state = (part for path in paths for part in state_of(path))
        return (*state, os.environ.get("TFDS_DATA_DIR"))

    @property
    def baseline(self) -> Path:
        """The path of its committed baseline, beside the experiment file."""
        return self.path.parent / "baseline.json"

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """All cells that are not skipped, in the order of models, shots, sizes, decision rules."""
        return tuple(
            Cell(
                **vars(which),
                experiment=self,
                limits=limits_of(self.thresholds, which),
                xfail=xfail_of(self.thresholds, which),
            )
            for which in self.combinations
            if self.skipped(which) is None
        )

    @property
    def rivals_file(self) -> Path:
        """The path of the rivals' recorded predictions."""
        return self.cassettes / "rivals" / "predictions.jsonl"

    def embeddings_cassette(self, rival: EmbeddingRival) -> Path:
        """The path of the cassette of a rival's embeddings."""
        return self.cassettes / "embeddings" / f"{rival.name}.jsonl"

    def reading(self, provider: str) -> tuple[ReadingRule, ...]:
        """The reading rules for a provider's answers."""
        return self.task.reading_at(self.providers[provider].endpoint)

    @property
    def fine_tuned_cells(self) -> tuple[Cell, ...]:
        """The cells of fine-tuned models."""
        return tuple(cell for cell in self.cells if cell.train_size)

    @property
    def calibrated_cells(self) -> tuple[Cell, ...]:
        """The cells of the rule ``calibrated``."""
        return tuple(cell for cell in self.cells if cell.decision_rule == "calibrated")

    @property
    def jobs(self) -> dict[str, Cell]:
        """The first cell of each fine-tuning job, by the job's name."""
        jobs: dict[str, Cell] = {}
        for cell in self.fine_tuned_cells:
            if cell.has_job:
                jobs.setdefault(cell.job, cell)
        return jobs

    @property
    def prompted_cells(self) -> tuple[Cell, ...]:
        """The cells of models that are not fine-tuned."""
        return tuple(cell for cell in self.cells if not cell.train_size)

    def skipped(self, which: Combination) -> str | None:
        """Why a combination of the matrix is left out; None if it is a cell."""
        return skipped_by(self.matrix, which)

    @property
    def combinations(self) -> list[Combination]:
        """All combinations of the matrix, skipped ones too."""
        return combinations_of(self.models, self.matrix, self.fine_tuning)
