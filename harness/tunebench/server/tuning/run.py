"""One training: from the weights and the examples to the reports of its journal."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebench.server.tuning import examples, jobs
from tunebench.server.tuning.job_requests import Plan
from tunebench.server.tuning.journal import Journal
from tunebench.server.tuning.storage import Storage, loads

if TYPE_CHECKING:
    from tunebench.server.tuning.group import Group
    from tunebench.server.tuning.training import Trainer


@dataclass(frozen=True)
class Work:
    """What is trained, wherever it is done.

    Attributes:
        model: the base's name, and `source` where its weights are.
        done: epochs that have a checkpoint.
    """

    model: str
    source: str
    dtype: str
    plan: Plan
    training: Sequence[examples.Example]
    validation: Sequence[examples.Example]
    done: int
    kept_bytes: int


def work_of(storage: Storage, name: str, kept_bytes: int) -> Work:
    """The work of a job in the database."""
    with storage.reading() as connection:
        row = jobs.find(connection, name)
        done = jobs.epochs_done(connection, name)
    given: dict[str, Any] = json.loads(row["plan"])
    job = loads(row)
    training, validation = (
        examples.read(storage.files / file) if file else []
        for file in (job["training_file"], job["validation_file"])
    )
    plan = Plan(**given["plan"])
    return Work(
        job["model"], given["source"], given["dtype"], plan, training, validation, done, kept_bytes
    )


def train(
    work: Work,
    journal: Journal,
    save: Callable[["Trainer", int], None],
    start: Path | None,
    group: "Group | None" = None,
) -> None:
    """Train all epochs that are not done yet.

    Args:
        work: what is trained.
        journal: takes the reports.
        save: keeps the checkpoint of an epoch.
        start: the folder of the last checkpoint, if there is one.
        group: the workers that train together; None is this one alone.
    """
    # Slow imports: a job whose files cannot be read fails without them.
    from tunebench.server.inference.models import ModelRegistry, choose_dtype
    from tunebench.server.tuning.group import Group
    from tunebench.server.tuning.training import Trainer

    plan = work.plan
    registry = ModelRegistry({work.model: work.source}, choose_dtype(work.dtype))
    model = registry.get(work.model)
    sha256, tokenizer, network = model.sha256, model.tokenizer, model.network
    del registry, model  # frees its copy of the head; the trainer has its own
    trainer = Trainer(
        network,
        tokenizer,
        plan,
        work.training,
        work.validation,
        kept_bytes=work.kept_bytes,
        group=group or Group(),
    )
    if start:
        trainer.resume(start)
    kept = "kept from the first epoch on" if trainer.kept else "computed again in every epoch"
    message = (
        f"Training on {len(work.training)} examples, validating on {len(work.validation)}: "
        f"{plan.n_epochs} epochs of {trainer.steps} steps; the frozen layers' outputs are {kept}."
    )
    level = "warn" if any(trainer.cut) else "info"
    journal.started(sha256, trainer.max_tokens, [("info", message), (level, _lengths(trainer))])
    if start:
        # A worker that is lost between saving and reporting a checkpoint leaves it unreported.
        journal.checkpoint(work.done, trainer.rows[-1], None)
    total = trainer.steps * plan.n_epochs
    began = time.monotonic()
    for epoch in trainer.epochs(work.done, lambda row: journal.step(row, total)):
        save(trainer, epoch)
        each = (time.monotonic() - began) / (epoch - work.done)
        journal.checkpoint(epoch, trainer.rows[-1], int(each * (plan.n_epochs - epoch)))
    journal.finished(trainer.rows, trainer.steps)


def _lengths(trainer: "Trainer") -> str:
    counts = zip(trainer.cut, trainer.counts, ("training", "validation"), strict=True)
    longer = [f"{cut} of {count} {kind} prompts" for cut, count, kind in counts if count]
    said = f"Prompts may have {trainer.max_tokens} tokens: "
    if not any(trainer.cut):
        return f"{said}none is longer."
    return f"{said}{' and '.join(longer)} are longer and lose their beginning."
