"""The training files of fine-tuned cells, and the requests for their jobs."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from tunebench.api import JobSpec, Upload
from tunebench.errors import DatasetError
from tunebench.evaluation.inputs import State, is_chat, kept, test_rows, train_rows
from tunebench.formatting import AnswerFormat, bare_prompt
from tunebench.training_data import chat_record, record, refuse_overlap, split, without_overlap

if TYPE_CHECKING:
    import pandas as pd

    from tunebench.experiment import Cell, Experiment


def rows_of(experiment: Experiment, size: int) -> pd.DataFrame:
    """The rows of a training size: the first ones of the data set, without repeated ones.

    Raises:
        DatasetError: the data set has fewer, or a row is also a test row and the experiment does
            not allow it.
    """
    task = experiment.task
    rows = train_rows(experiment)
    if size > len(rows):
        raise DatasetError(
            f"{size} is more than the {len(rows)} training rows of {task.dataset!r}",
            where=f"{experiment.path}: [matrix] train_sizes",
            hint="leave it out",
        )
    rows = rows.head(size)
    if not experiment.fine_tuning.allow_test_rows:
        refuse_overlap(rows, test_rows(experiment)["text"])
    return rows.drop_duplicates(subset=["text", "label"])


def rival_texts(experiment: Experiment) -> dict[str, str]:
    """The texts that rivals train on and are tested on, by item id."""
    sizes = experiment.matrix.train_sizes
    frames = [test_rows(experiment), *(rows_of(experiment, size) for size in sizes)]
    return {
        item: text for rows in frames for item, text in zip(rows["item"], rows["text"], strict=True)
    }


def files_of(experiment: Experiment, size: int, chat: bool) -> tuple[Upload, Upload]:
    """The training and the validation file of a training size.

    Of its rows 8 of 10 train and the others validate, as ``tunebench prepare-data`` splits them.
    A line is the prompt of a fine-tuned cell, and the answer; in messages for a chat.

    Raises:
        DatasetError: there are too few rows, or all of one class, or a row is also a test row and
            the experiment does not allow it.
    """
    return _files(experiment, size, chat, experiment.data_state)


@kept(16)
def _files(experiment: Experiment, size: int, chat: bool, _: State) -> tuple[Upload, Upload]:
    task, rows = experiment.task, rows_of(experiment, size)
    texts, labels = rows["text"].tolist(), rows["label"].tolist()
    halves = without_overlap(texts, split(len(rows)))
    answers = AnswerFormat.of(task.labels)

    def line(text: str, label: str) -> bytes:
        if chat:
            return chat_record(text, label, task.instruction)
        return record(bare_prompt(text), answers.completion(label))

    def file(part: str, positions: Any) -> Upload:
        lines = [line(texts[i], task.labels[labels[i]]) for i in positions]
        content = b"".join(lines)
        name = file_name(experiment, size, part)
        return Upload(name, content, hashlib.sha256(content).hexdigest(), len(lines))

    if len({labels[i] for i in halves.train}) < 2 or not halves.valid:
        raise DatasetError(
            f"{size} rows of {task.dataset!r} have one class only, or leave none to validate",
            where=f"{experiment.path}: [matrix] train_sizes",
            hint="name a larger size",
        )
    return file("train", halves.train), file("valid", halves.valid)


def file_name(experiment: Experiment, size: int, part: str) -> str:
    """The name of a training size's file at the provider; the part is ``train`` or ``valid``."""
    return f"{_name(experiment)}-{size}_prepared_{part}.jsonl"


def _name(experiment: Experiment) -> str:
    """The name of jobs and their files at the provider."""
    return experiment.fine_tuning.name or experiment.name


def job_of(cell: Cell, files: tuple[Upload, Upload] | None = None) -> JobSpec:
    """The job that makes a fine-tuned cell's model; one for all its decision rules.

    Args:
        cell: the cell.
        files: of training and validation; made of the data set if None.
    """
    experiment = cell.experiment
    options = experiment.fine_tuning
    train, valid = files or files_of(experiment, cell.train_size, is_chat(cell))
    hyperparameters: dict[str, Any] = {"n_epochs": options.n_epochs}
    for name in ("batch_size", "learning_rate_multiplier"):
        if (value := getattr(options, name)) is not None:
            hyperparameters[name] = value
    request: dict[str, Any] = {
        "model": experiment.models[cell.model].provider_id,
        "method": {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}},
        "seed": cell.training_seed,
        "suffix": f"{_name(experiment)}-ft{cell.train_size}",
    }
    if options.extra_body:
        request["extra_body"] = options.extra_body
    made_of = [request, train.sha256, valid.sha256]
    canonical = json.dumps(made_of, sort_keys=True, separators=(",", ":"))
    return JobSpec(
        cell.job,
        train,
        valid,
        request,
        {
            "tunebench_job": hashlib.sha256(canonical.encode()).hexdigest()[:32],
            "experiment": _name(experiment),
            # Without the seed: a job that was made when there was one seed only is found again.
            "cell": f"{cell.model}-ft{cell.train_size}",
            "training_file_sha256": train.sha256,
        },
    )
