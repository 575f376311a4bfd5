"""The last layer of a network."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch

from tunebench.server.inference.decoder import Int8Maps, Passes


class Head:
    """The last layer of a network, from hidden states to logits, in float32.

    In bfloat16 logits near 20 are 0.125 apart and two labels often tie. The head is applied here
    and not inside the network: given a 3-d slice, PyTorch copies the head's weights for every row
    of the batch, which takes longer than all layers.
    """

    def __init__(self, network: Any) -> None:
        head = network.get_output_embeddings()
        self._is_short = head.weight.dtype == torch.bfloat16
        self._weight = head.weight.detach().to(torch.float32)
        self._bias = None if head.bias is None else head.bias.detach().to(torch.float32)
        self._softcap = getattr(network.config, "final_logit_softcapping", None)

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits, shape (rows, vocabulary), of hidden states, shape (rows, width)."""
        rows = hidden.contiguous().to(torch.float32)
        with _short_factors() if self._is_short else contextlib.nullcontext():
            logits = torch.nn.functional.linear(rows, self._weight, self._bias)
        return self._capped(logits)

    def int8(self, maps: Int8Maps) -> Callable[[torch.Tensor], torch.Tensor]:
        """The same with weights of eight bits."""
        mapped = maps.get([self._weight], self._bias)
        return lambda hidden: self._capped(mapped(hidden))

    def _capped(self, logits: torch.Tensor) -> torch.Tensor:
        if self._softcap:
            logits = torch.tanh(logits / self._softcap) * self._softcap
        return logits


@contextlib.contextmanager
def _short_factors() -> Iterator[None]:
    """Multiply float32 matrices by the processor's bfloat16 instructions, and add in float32.

    Nothing is lost where all factors came from bfloat16, and it takes half the time.
    """
    mkldnn: Any = torch.backends.mkldnn  # whose stub lacks the attribute
    precision = mkldnn.matmul
    before = precision.fp32_precision
    precision.fp32_precision = "bf16"
    try:
        yield
    finally:
        precision.fp32_precision = before


@torch.inference_mode()
def head_is_all(model: Passes, network: Any, vocabulary_size: int) -> bool:
    """Whether a network does nothing after its head.

    Some scale their logits there, which would be silently wrong here.
    """
    ids = torch.arange(min(8, vocabulary_size)).unsqueeze(0)
    expected = network(input_ids=ids, use_cache=False).logits[0].to(torch.float32)
    got = model.logits(model.forward(ids, None)[0][0])
    return bool((got - expected).norm() <= 0.05 * expected.norm())
