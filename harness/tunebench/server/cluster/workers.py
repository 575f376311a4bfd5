"""What runs on the nodes for a job: the task that waits for its run, and the run's workers.

The task needs none of the slow imports of a worker.
"""

import contextlib
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.fs

from tunebench.errors import ConfigurationError, TunebenchError
from tunebench.server.cluster.connection import Shared, counted, node_name
from tunebench.server.cluster.notes import Sender
from tunebench.server.http_errors import ApiError, sentence
from tunebench.server.tuning.run import Work, train

if TYPE_CHECKING:
    from tunebench.server.tuning.training import Trainer

_MAX_FAILURES = 3


@dataclass(frozen=True)
class RunSettings:
    """Where and with what a run computes."""

    storage: Shared
    workers: int
    threads: int
    device: str

    @property
    def each(self) -> dict[str, int]:
        """What a worker takes of its node, by Ray's names."""
        return {"CPU": self.threads} | ({"GPU": 1} if self.device == "gpu" else {})

    def __str__(self) -> str:
        """The workers and what each takes, in words."""
        each = " and ".join(counted(number, kind) for kind, number in self.each.items())
        return f"{self.workers} workers with {each} each" if self.workers > 1 else each


def run(name: str, work: Work, settings: RunSettings, notes: Any) -> None:
    """Wait for a job's run; runs on the front's node."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    TorchTrainer(
        _train,
        train_loop_config={"name": name, "work": work, "settings": settings, "notes": notes},
        scaling_config=ScalingConfig(
            num_workers=settings.workers,
            use_gpu=settings.device == "gpu",
            resources_per_worker=settings.each,
        ),
        # Also for GPUs, until each worker has looked whether PyTorch finds its own.
        torch_config=TorchConfig(backend="gloo"),
        run_config=RunConfig(
            # The same name after a restart of the server: Train finds its checkpoints again.
            name=name,
            storage_path=settings.storage.path,
            failure_config=FailureConfig(max_failures=_MAX_FAILURES),
        ),
    ).fit()


def _train(given: dict[str, Any]) -> None:
    """What every worker of a run does."""
    import ray.train.torch
    import torch

    from tunebench.server.tuning.group import DistributedGroup, Group

    os.umask(0o077)  # the checkpoints are only for the user
    work: Work = given["work"]
    settings: RunSettings = given["settings"]
    notes = given["notes"]
    torch.set_num_threads(settings.threads)
    device = Group.device
    if settings.device == "gpu":
        if not torch.cuda.is_available():
            said = (
                f"Ray has a GPU on the node {node_name()}, and PyTorch finds none there; install "
                "a CUDA build of torch and a driver on it."
            )
            ray.get(notes.add.remote("failed", said))
            return
        device = ray.train.torch.get_device()
    group = DistributedGroup(device)
    known = max(work.done, ray.get(notes.saved.remote()))
    with contextlib.ExitStack() as stack:
        start, last = None, _last_checkpoint(settings.storage, given["name"], known)
        if last:
            start = Path(stack.enter_context(last.as_directory()))
            kept = last.get_metadata()
            # The length was chosen by the memory of the nodes that the training began on.
            plan = replace(work.plan, max_tokens=kept["max_tokens"])
            work = replace(work, plan=plan, done=kept["epoch"])
        else:
            work = replace(work, done=0)
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        journal = Sender(notes, group, work.done)

        def save(trainer: "Trainer", epoch: int) -> None:
            made = None
            if group.rank == 0:
                trainer.save(scratch / "checkpoint")
                made = ray.train.Checkpoint.from_directory(str(scratch / "checkpoint"))
                made.set_metadata({"epoch": epoch, "max_tokens": trainer.max_tokens})
            ray.train.report({}, checkpoint=made, checkpoint_dir_name=f"epoch-{epoch}")

        try:
            train(work, journal, save, start, group)
        except (TunebenchError, ApiError) as error:
            # It would fail again: the front fails the job, and ends the other workers.
            said = sentence(error) if isinstance(error, TunebenchError) else str(error)
            if isinstance(error, ConfigurationError):  # about files of this node
                said = f"On the node {node_name()}: {said}"
            ray.get(notes.add.remote("failed", said))


def _last_checkpoint(storage: Shared, name: str, known: int) -> Any:
    """The last checkpoint of a job, or None.

    Train knows one only some time after a worker has saved it, and a node may be lost in between;
    so the folder is tried first that was reported last.
    """
    import ray.train

    files, path = storage.opened()
    folder = f"{path}/{name}/epoch-{known}"
    if known and files.get_file_info(folder).type == pyarrow.fs.FileType.Directory:
        return ray.train.Checkpoint(folder, filesystem=files)
    return ray.train.get_checkpoint()
