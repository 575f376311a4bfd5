"""Examples as token ids, in batches of similar length."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch

from tunebench.server.inference.language_model import chat_ids
from tunebench.server.tuning.examples import Example, Turns


@dataclass(frozen=True)
class Encoded:
    """Token ids of a prompt and of its completion.

    Attributes:
        is_cut: whether the prompt has lost its beginning.
    """

    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    is_cut: bool = False

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)


@dataclass(frozen=True)
class Batch:
    """Rows of a training step, padded on the right.

    Attributes:
        ids: shape (rows, tokens), without the last token of a row, which is only a target.
        rows: row of each target, in order.
        places: place of the token before each target.
        targets: the completions' tokens.
        members: the rows' numbers among all.
        size: tokens of prompts and completions, without padding.
    """

    ids: torch.Tensor
    rows: torch.Tensor
    places: torch.Tensor
    targets: torch.Tensor
    members: tuple[int, ...]
    size: int

    def to(self, device: torch.device) -> Self:
        """The same batch with its tensors on a device."""
        names = ("ids", "rows", "places", "targets")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


class Encoder:
    """Encodes texts exactly as the server encodes them in requests.

    A prompt as for ``/v1/completions``; messages as for ``/v1/chat/completions``: with the model's
    template, which ends with the opening of the assistant's turn.
    """

    def __init__(self, tokenizer: Any, max_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        # What the tokenizer puts before every prompt. A model that was trained with it fails
        # without it, so a shortened prompt keeps it.
        bare = len(tokenizer("a", add_special_tokens=False)["input_ids"])
        whole = tokenizer("a")["input_ids"]
        self._first = tuple(whole[: len(whole) - bare])

    def encode(self, example: Example) -> Encoded:
        """The last tokens of a prompt, those of the completion, and the end token.

        Raises:
            DatasetError: the model takes no messages, or not these.
        """
        if isinstance(example.prompt, str):
            whole: list[int] = self._tokenizer(example.prompt)["input_ids"]
            ids = whole
            if len(whole) > self._max_tokens:
                kept = max(1, self._max_tokens - len(self._first))
                ids = [*self._first, *whole[-kept:]]
        else:
            whole = self._templated(example.prompt)
            ids = self._shortened(example.prompt, whole)
        end = self._tokenizer.eos_token_id
        ending = () if end is None else (int(end),)
        return Encoded(tuple(ids), self.completion(example.completion) + ending, ids != whole)

    def _shortened(self, turns: Turns, ids: list[int]) -> list[int]:
        """The ids of messages; if too many, the last message's text loses its beginning.

        The template and the system's message stay complete.
        """
        role, text = turns[-1]
        while (excess := len(ids) - self._max_tokens) > 0 and text:
            inner = self._tokenizer(text, add_special_tokens=False)
            ends = self._tokenizer.decode(inner["input_ids"][excess:])
            # Cut at a token, a text may grow: at least one character goes, so that this ends.
            text = ends if len(ends) < len(text) else text[1:]
            ids = self._templated((*turns[:-1], (role, text)))
        return ids

    def _templated(self, turns: Turns) -> list[int]:
        messages = [{"role": role, "content": text} for role, text in turns]
        return chat_ids(self._tokenizer, messages)

    def completion(self, text: str) -> tuple[int, ...]:
        """The ids of a completion, without the end token."""
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def make(rows: Sequence[Encoded], size: int, seed: int) -> list[Batch]:
    """Batches of rows of similar length.

    The seed decides which rows go together, the same in all epochs; only the order of the batches
    changes. So the outputs of a batch's frozen layers can be kept, bit for bit.
    """
    source = torch.Generator().manual_seed(seed)
    chance = torch.randperm(len(rows), generator=source).tolist()
    order = sorted(range(len(rows)), key=lambda row: (len(rows[row]), chance[row]))
    return [_batch(rows, order[start : start + size]) for start in range(0, len(order), size)]


def _batch(rows: Sequence[Encoded], members: list[int]) -> Batch:
    chosen = [rows[member] for member in members]
    ids = torch.zeros((len(chosen), max(map(len, chosen)) - 1), dtype=torch.long)
    targets: list[tuple[int, int, int]] = []
    for row, one in enumerate(chosen):
        whole = one.prompt + one.completion
        ids[row, : len(whole) - 1] = torch.tensor(whole[:-1])
        first = len(one.prompt) - 1
        targets += [(row, first + place, token) for place, token in enumerate(one.completion)]
    row_of, places, tokens = (torch.tensor(column) for column in zip(*targets, strict=True))
    return Batch(ids, row_of, places, tokens, tuple(members), sum(map(len, chosen)))
