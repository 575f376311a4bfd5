"""Workers that train together: each computes its share of every batch, and all know the sums."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from tunebench.server.tuning.batches import Batch


class Group:
    """A worker alone: its share is everything.

    Attributes:
        rank: the number of this worker among ``size``.
        device: on which it computes.
    """

    rank = 0
    size = 1
    device = torch.device("cpu")

    def sum(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace each tensor by the sum of those of all workers."""

    def least(self, number: int) -> int:
        """The least number that a worker has."""
        return number

    def share(self, batch: Batch) -> tuple[Batch, float]:
        """This worker's rows of a batch, and their part of its targets.

        A worker without a row gets the first one, which counts nothing, so that all do the same.
        """
        if self.size == 1:
            return batch, 1.0
        count = len(batch.members)
        mine = list(range(self.rank, count, self.size))
        rows = torch.tensor(mine or [0])
        number = torch.full((count,), -1)
        number[rows] = torch.arange(len(rows))
        chosen = number[batch.rows] >= 0
        share = replace(
            batch,
            ids=batch.ids[rows],
            rows=number[batch.rows[chosen]],
            places=batch.places[chosen],
            targets=batch.targets[chosen],
            members=tuple(batch.members[row] for row in rows.tolist()),
        )
        return share, len(share.targets) / len(batch.targets) if mine else 0.0


class DistributedGroup(Group):
    """The workers of PyTorch's process group, which is set up already, for tensors on CPUs.

    Workers on GPUs have a second one, in which GPUs add.
    """

    def __init__(self, device: torch.device = Group.device) -> None:
        self.rank = torch.distributed.get_rank()
        self.size = torch.distributed.get_world_size()
        self.device = device
        self._adding = None
        if self.size > 1 and device.type == "cuda":
            self._adding = torch.distributed.new_group(backend="nccl")

    def sum(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace each tensor by the sum of those of all workers, in one message."""
        whole = torch.cat([tensor.reshape(-1) for tensor in tensors]).to(self.device)
        torch.distributed.all_reduce(whole, group=self._adding)
        parts = torch.split(whole, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def least(self, number: int) -> int:
        """The least number that a worker has."""
        found = torch.tensor(number)
        torch.distributed.all_reduce(found, torch.distributed.ReduceOp.MIN)
        return int(found)
