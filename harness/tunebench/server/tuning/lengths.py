"""How long the prompts of a training may be, by the model's context and by memory."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch

from tunebench.errors import JobError
from tunebench.server.inference.language_model import context_length
from tunebench.server.tuning.halves import free_memory

MAX_CUT_SHARE = 0.1
"""A job is refused if more of its prompts would lose their beginning, unless it asks for that."""

_PROBE_TOKENS = 32
_FACTOR = 2  # what the backward pass needs beside what the forward pass keeps for it
_LOGIT_BYTES = 3 * 4  # logits, their softmax and their gradient, in float32


@dataclass(frozen=True)
class Room:
    """The tokens of a prompt for which there is room beside the longest completion.

    Attributes:
        context: of the model.
        completion: tokens of the longest completion, with the end token.
        memory: tokens of each prompt of a batch that half of the free memory takes.
    """

    context: int
    completion: int
    memory: int

    @property
    def tokens(self) -> int:
        """The most tokens of a prompt."""
        return max(1, min(self.context - self.completion, self.memory))

    def check(self, cut: int, count: int) -> None:
        """Refuse a job of which too many prompts would be cut.

        Raises:
            JobError: more than `MAX_CUT_SHARE` of them.
        """
        if cut <= MAX_CUT_SHARE * count:
            return
        by_memory = self.memory < self.context - self.completion
        limit = "the free memory is small" if by_memory else f"the model takes {self.context}"
        first = "a smaller batch_size" if by_memory else "shorter prompts"
        raise JobError(
            f"{cut} of {count} prompts have more than {self.tokens} tokens, for which there is "
            f"room beside the completions, as {limit}",
            hint=f"create the job again with {first}, or with a smaller max_tokens to train on the "
            "prompts' last tokens only",
        )


def room(network: Any, tokenizer: Any, batch_size: int, completions: Collection[str]) -> Room:
    """The room for prompts in a network that has its adapter.

    Args:
        network: one pass with a short row measures what a token needs.
        tokenizer: the network's.
        batch_size: rows that are computed together.
        completions: all that are trained on or tried.
    """
    encoded = tokenizer(list(completions), add_special_tokens=False)["input_ids"]
    completion = max(map(len, encoded)) + 1
    logits = batch_size * completion * int(network.config.vocab_size) * _LOGIT_BYTES
    free = free_memory(network.device) // 2 - logits
    memory = int(free / (batch_size * _FACTOR * _bytes_per_token(network))) - completion
    return Room(context_length(network.config), completion, memory)


def _bytes_per_token(network: Any) -> float:
    """Bytes of outputs that a forward pass keeps for the backward pass, for each token."""
    weights = {weight.untyped_storage().data_ptr() for weight in network.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    ids = torch.zeros((1, _PROBE_TOKENS), dtype=torch.long, device=network.device)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = network.base_model(input_ids=ids, use_cache=False)
    found = max(1, sum(kept.values())) / _PROBE_TOKENS
    del output  # only now: an address must not be used twice
    return found
