"""A network in two halves: frozen lower layers, run once for a batch, and trained upper layers."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from tunebench.server.tuning.batches import Batch
from tunebench.server.tuning.lora import shared_copy


class Halves:
    """The layers of a network, cut before the first that is trained.

    The lower half's outputs are kept from a batch's first pass on, if they fit into memory.
    Kept or not, the bits are the same: a batch always holds the same rows, in the same shape.

    Attributes:
        kept: whether outputs of the first kind of batches are kept.
    """

    def __init__(
        self, network: Any, first: int, kinds: Sequence[Sequence[Batch]], limit: int
    ) -> None:
        """Cut a network.

        Args:
            network: is not changed.
            first: the first layer that is trained.
            kinds: kinds of batches; if the outputs of a kind do not all fit, they are computed
                again each time.
            limit: bytes. Half of the device's free memory is a limit as well.
        """
        self._whole = network.base_model
        self._outputs: dict[int, torch.Tensor | None] = {}
        room = min(limit, free_memory(network.device) // 2)
        for batches in kinds if first else []:
            tokens = sum(batch.ids.numel() for batch in batches)
            size = tokens * network.config.hidden_size * network.dtype.itemsize
            if size <= room:
                room -= size
                self._outputs |= dict.fromkeys(map(id, batches))
        if self._outputs:
            self._lower = _part(self._whole, 0, first)
            self._lower.norm = torch.nn.Identity()
            self._upper = _part(self._whole, first, len(self._whole.layers))
            if not self._agree(kinds[0][0].ids[:1, :16]):
                self._outputs.clear()
        self.kept = id(kinds[0][0]) in self._outputs

    def train(self, dropout: bool) -> None:
        """Turn the adapter's dropout on or off; the base's own modules stay in evaluation mode."""
        for half in [self._whole, *([self._upper] if self._outputs else [])]:
            for name, module in half.named_modules():
                module.train(dropout and ".lora_dropout" in name)

    def hidden(self, batch: Batch) -> torch.Tensor:
        """Last hidden states at the batch's targets, shape (targets, width), contiguous."""
        if id(batch) in self._outputs:
            below = self._outputs[id(batch)]
            if below is None:
                below = self._below(batch.ids)
                self._outputs[id(batch)] = below
            output = self._upper(inputs_embeds=below, use_cache=False)
        else:
            output = self._whole(input_ids=batch.ids, use_cache=False)
        hidden: torch.Tensor = output.last_hidden_state[batch.rows, batch.places]
        return hidden

    @torch.no_grad()
    def _below(self, ids: torch.Tensor) -> torch.Tensor:
        below: torch.Tensor = self._lower(input_ids=ids, use_cache=False).last_hidden_state
        return below

    @torch.no_grad()
    def _agree(self, ids: torch.Tensor) -> bool:
        # Some networks do more between their layers than pass the output on: they stay whole.
        whole = self._whole(input_ids=ids, use_cache=False).last_hidden_state
        halves = self._upper(inputs_embeds=self._below(ids), use_cache=False).last_hidden_state
        return torch.equal(whole, halves)


def _part(whole: Any, start: int, end: int) -> Any:
    """Some of a network's layers, with shared weights."""
    part = shared_copy(whole)
    part.layers = part.layers[start:end]
    part.config = copy.deepcopy(whole.config)
    part.config.num_hidden_layers = end - start
    if getattr(whole.config, "layer_types", None):
        part.config.layer_types = whole.config.layer_types[start:end]
    return part


def free_memory(device: torch.device) -> int:
    """Bytes that a GPU, or else this machine, can give to programs now."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        [line] = [line for line in lines if line.startswith("MemAvailable:")]
        return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return 1 << 60  # not Linux: the limit alone holds
