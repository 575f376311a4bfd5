"""One new token for each of several sequences, in one lean pass with weights of eight bits.

For a small model most of the time of transformers' pass goes between the operations, and the rest
into reading the weights. Here a layer has as few operations as possible and weights of half the
size, and all sequences share one reading of them.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch.nn import functional

from tunebench.server.inference.prefix import KeyValues

_Map = Callable[[torch.Tensor], torch.Tensor]

MODEL_TYPES = frozenset({"gemma3_text", "llama", "qwen2", "qwen3"})
"""Networks that this computes, as their configurations name them."""

_BLOCK = 256  # tokens by which the room of the sequences grows at the least


def has_int8() -> bool:
    """Whether PyTorch has its fast kernel for eight bits here."""
    has = hasattr(torch, "quantize_per_channel")  # which a later PyTorch may take away
    return has and torch.backends.quantized.engine in ("x86", "fbgemm", "onednn")


class Int8Maps:
    """Linear maps with weights of eight bits, a scale for each output; made once for a weight."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, ...], _Map] = {}

    def get(self, weights: Sequence[torch.Tensor], bias: torch.Tensor | None) -> _Map:
        """The map of weights one below the other, shape (outputs, inputs) each."""
        key = tuple(weight.data_ptr() for weight in weights)
        if key not in self._made:
            self._made[key] = self._make(torch.cat(list(weights)).detach().float(), bias)
        return self._made[key]

    def _make(self, weight: torch.Tensor, bias: torch.Tensor | None) -> _Map:
        scales = weight.abs().amax(1).clamp(min=1e-9) / 127
        zeros = torch.zeros(len(scales), dtype=torch.long)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its deprecation in PyTorch 2.13
            quantised = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        packed = torch.ops.quantized.linear_prepack(quantised, None)
        multiply = torch.ops.quantized.linear_dynamic

        def mapped(x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor
            if len(x) == 1:
                y = multiply(x, packed)
            else:
                # The kernel has one scale for all inputs; so each sequence gets its own.
                largest = x.abs().amax(1, keepdim=True).clamp_(min=1e-9)
                y = multiply(x / largest, packed).mul_(largest)
            return y if bias is None else y + bias

        return mapped


class _Layer:
    def __init__(self, layer: Any, linear: Callable[..., _Map]) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.qkv = linear(attention.q_proj, attention.k_proj, attention.v_proj)
        self.out = linear(attention.o_proj)
        self.gate_up = linear(mlp.gate_proj, mlp.up_proj)
        self.down = linear(mlp.down_proj)
        self.activation = mlp.act_fn
        self.scaling = attention.scaling
        self.kind = getattr(attention, "layer_type", None)
        self.window = getattr(attention, "sliding_window", None)
        self.q_norm = _norm(getattr(attention, "q_norm", None))
        self.k_norm = _norm(getattr(attention, "k_norm", None))
        self.before_attention = _norm(layer.input_layernorm)
        # Gemma has norms around both parts, and names the one before the second otherwise.
        around = getattr(layer, "pre_feedforward_layernorm", None)
        self.after_attention = _norm(layer.post_attention_layernorm if around else None)
        self.before_mlp = _norm(around or layer.post_attention_layernorm)
        self.after_mlp = _norm(getattr(layer, "post_feedforward_layernorm", None))


class Decoder:
    """A network's pass for one token of each sequence.

    Args:
        network: from transformers.
        logits: the network's head.
        maps: where weights of eight bits are kept, or None to use the network's own.
    """

    def __init__(self, network: Any, logits: _Map, maps: Int8Maps | None) -> None:
        def linear(*modules: Any) -> _Map:
            plain = all(type(module) is torch.nn.Linear for module in modules)
            if maps is not None and plain:
                biases = [module.bias for module in modules if module.bias is not None]
                bias = torch.cat(biases).detach().float() if biases else None
                return maps.get([module.weight for module in modules], bias)
            dtype = network.dtype  # an adapter's maps take the network's own, too
            if len(modules) == 1:
                return lambda x: modules[0](x.to(dtype)).float()
            return lambda x: torch.cat([each(x.to(dtype)) for each in modules], -1).float()

        base, config = network.base_model, network.config
        self.dtype = network.dtype
        self.heads = int(config.num_attention_heads)
        self.kv_heads = int(config.num_key_value_heads)
        self.head_size = int(base.layers[0].self_attn.head_dim)
        self.layers = [_Layer(layer, linear) for layer in base.layers]
        self._embed, self._norm, self._rotary = base.embed_tokens, _norm(base.norm), base.rotary_emb
        self._logits = logits

    @torch.inference_mode()
    def step(self, ids: Sequence[int], rows: "Rows") -> torch.Tensor:
        """Logits, shape (rows, vocabulary), after one more token of each row."""
        count, longest = len(ids), max(rows.lengths) + 1
        places = torch.tensor(rows.lengths)
        x = self._embed(torch.tensor(ids)).float()
        turns = {kind: self._turns(places, kind) for kind in {one.kind for one in self.layers}}
        masks = {
            window: self._mask(places, longest, window)
            for window in {one.window for one in self.layers}
        }
        flat = torch.arange(count) * rows.room + places
        shape = (count, self.kv_heads, self.heads // self.kv_heads, self.head_size)
        for layer, (keys, values) in zip(self.layers, rows.layers, strict=True):
            qkv = layer.qkv(layer.before_attention(x))
            qkv = qkv.view(count, self.heads + 2 * self.kv_heads, self.head_size)
            qk, v = qkv[:, : -self.kv_heads], qkv[:, -self.kv_heads :]
            if layer.q_norm is not _same:
                normed = layer.q_norm(qk[:, : self.heads]), layer.k_norm(qk[:, self.heads :])
                qk = torch.cat(normed, 1)
            cos, sin = turns[layer.kind]
            qk = torch.addcmul(qk * cos, qk.roll(self.head_size // 2, -1), sin).to(self.dtype)
            keys.view(-1, *keys.shape[2:]).index_copy_(0, flat, qk[:, self.heads :])
            values.view(-1, *keys.shape[2:]).index_copy_(0, flat, v.to(self.dtype))
            seen = functional.scaled_dot_product_attention(
                qk[:, : self.heads].view(shape),
                keys[:count, :longest].transpose(1, 2),
                values[:count, :longest].transpose(1, 2),
                attn_mask=masks[layer.window],
                scale=layer.scaling,
            )
            x = x + layer.after_attention(layer.out(seen.reshape(count, -1).float()))
            gate, up = layer.gate_up(layer.before_mlp(x)).chunk(2, -1)
            x = x + layer.after_mlp(layer.down(layer.activation(gate) * up))
        rows.lengths = [length + 1 for length in rows.lengths]
        return self._logits(self._norm(x))

    def _turns(self, places: torch.Tensor, kind: str | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and signed sines of the rotary embedding, shape (rows, 1, head size)."""
        given = {} if kind is None else {"layer_type": kind}
        like = torch.empty(0, dtype=torch.float32)
        cos, sin = self._rotary(like, places.unsqueeze(1), **given)
        first, second = sin.chunk(2, -1)
        return cos, torch.cat([-first, second], -1)

    def _mask(self, places: torch.Tensor, longest: int, window: int | None) -> torch.Tensor | None:
        """What is added to attention, shape (rows, 1, 1, longest); None where all is seen."""
        columns, places = torch.arange(longest), places.unsqueeze(1)
        seen = columns <= places
        if window is not None:
            seen &= columns > places - window
        if bool(seen.all()):
            return None
        mask = torch.zeros(seen.shape, dtype=self.dtype).masked_fill_(~seen, -torch.inf)
        return mask[:, None, None]


class Rows:
    """Keys and values of the sequences that are decoded together, a row for each.

    Attributes:
        lengths: tokens of each row.
        room: tokens for which a row has room.
        layers: keys and values, shape (rows, room, heads, head size), of each layer.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self.lengths: list[int] = []
        self.room = 0
        self.layers: list[tuple[torch.Tensor, torch.Tensor]] = []

    def add(self, past: KeyValues) -> None:
        """One more row, of keys and values of shape (1, heads, tokens, head size)."""
        row, length = len(self.lengths), past[0][0].shape[2]
        self._reserve(row + 1, length + 1)
        self.lengths.append(length)
        for mine, given in zip(self.layers, past, strict=True):
            for whole, one in zip(mine, given, strict=True):
                whole[row, :length] = one[0].transpose(0, 1)

    def remove(self, row: int) -> None:
        """Drop a row; the last one takes its place."""
        last = len(self.lengths) - 1
        for pair in self.layers:
            for whole in pair:
                whole[row, : self.lengths[last]] = whole[last, : self.lengths[last]]
        self.lengths[row] = self.lengths[last]
        del self.lengths[last]

    def step(self, ids: Sequence[int]) -> torch.Tensor:
        """Logits, shape (rows, vocabulary), after one more token of each row."""
        self._reserve(len(ids), max(self.lengths) + 1)
        return self._decoder.step(ids, self)

    def _reserve(self, rows: int, tokens: int) -> None:
        have = len(self.layers[0][0]) if self.layers else 0
        if rows <= have and tokens <= self.room:
            return
        if tokens > self.room:
            self.room = max(self.room * 3 // 2, -(-tokens // _BLOCK) * _BLOCK)
        # Zeros, because a mask does not hide what is not a number; pages come when written to.
        size = (max(rows, have, min(2 * have, 16)), self.room, self._decoder.kv_heads)
        layers = [
            (
                torch.zeros(*size, self._decoder.head_size, dtype=self._decoder.dtype),
                torch.zeros(*size, self._decoder.head_size, dtype=self._decoder.dtype),
            )
            for _ in self._decoder.layers
        ]
        for new, old in zip(layers, self.layers, strict=False):
            for whole, part in zip(new, old, strict=True):
                for row, length in enumerate(self.lengths):
                    whole[row, :length] = part[row, :length]
        self.layers = layers


class Passes(Protocol):
    """A model's own passes, as `LanguageModel` has them."""

    def forward(self, ids: torch.Tensor, past: KeyValues | None) -> tuple[torch.Tensor, KeyValues]:
        """Hidden states, and keys and values."""

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits of hidden states."""


class SeparateRows:
    """Completions that are decoded one after another, by the network's own pass."""

    def __init__(self, model: Passes) -> None:
        self._model = model
        self._pasts: list[KeyValues] = []

    def add(self, past: KeyValues) -> None:
        """One more row, of keys and values of shape (1, heads, tokens, head size)."""
        self._pasts.append(past)

    def remove(self, row: int) -> None:
        """Drop a row; the last one takes its place."""
        self._pasts[row] = self._pasts[-1]
        del self._pasts[-1]

    def step(self, ids: Sequence[int]) -> torch.Tensor:
        """Logits, shape (rows, vocabulary), after one more token of each row."""
        made = []
        for row, token_id in enumerate(ids):
            hidden, past = self._model.forward(torch.tensor([[token_id]]), self._pasts[row])
            self._pasts[row] = past
            made.append(self._model.logits(hidden[:, -1]))
        return torch.cat(made)


@torch.inference_mode()
def fitting_decoder(
    model: Passes, network: Any, logits: _Map, maps: Int8Maps | None
) -> Decoder | None:
    """A decoder, if there is one for such a network and it gives what the model's own does."""
    if network.config.model_type not in MODEL_TYPES:
        return None
    decoder = Decoder(network, logits, maps)
    # Not the first tokens, which are often special ones that a text never holds.
    ids = [number % network.config.vocab_size for number in range(100, 112)]
    rows, expected = Rows(decoder), []
    for end in (len(ids) - 1, len(ids) // 2):
        rows.add(model.forward(torch.tensor([ids[:end]]), None)[1])
        hidden, _ = model.forward(torch.tensor([ids[: end + 1]]), None)
        expected.append(model.logits(hidden[:, -1]))
    got, wanted = rows.step([ids[-1], ids[len(ids) // 2]]), torch.cat(expected)
    return decoder if bool((got - wanted).norm() <= 0.1 * wanted.norm()) else None


def _same(x: torch.Tensor) -> torch.Tensor:
    return x


def _norm(module: Any) -> _Map:
    if module is None:
        return _same
    weight = module.weight.detach().float()
    if type(module).__name__.startswith("Gemma"):
        weight = weight + 1
    eps = module.eps if hasattr(module, "eps") else module.variance_epsilon
    return lambda x: functional.rms_norm(x, weight.shape, weight, eps)
