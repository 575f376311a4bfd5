"""Examples as token ids, and examples of like length together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from tunebench.errors import TunebenchError
from tunebench.server.tuning.examples import Example, Turns


@dataclass(frozen=True)
class Encoded:
    """A prompt's ids and the ids that should follow."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)


@dataclass(frozen=True)
class Batch:
    """Rows of a training step, padded on the right.

    Attributes:
        ids: shape (rows, tokens). The last token of a row is only a target, so it isn't here.
        rows: row of each target, in order.
        places: place of the token before each target.
        targets: the completions' tokens.
        members: the rows' numbers among all.
        size: tokens of prompts and completions, padding apart.
    """

    ids: torch.Tensor
    rows: torch.Tensor
    places: torch.Tensor
    targets: torch.Tensor
    members: tuple[int, ...]
    size: int


class Encoder:
    """Texts to ids in the way they are asked for.

    A prompt as by the completions endpoint, messages as by the one for chat: by the model's
    template, which ends with the opening of the assistant's turn.
    """

    def __init__(self, tokenizer: Any, max_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        # What the tokenizer puts before every prompt. A model that was trained with it is lost
        # without it, so it stays when a prompt is shortened.
        bare = len(tokenizer("a", add_special_tokens=False)["input_ids"])
        whole = tokenizer("a")["input_ids"]
        self._first = tuple(whole[: len(whole) - bare])

    def encode(self, example: Example) -> Encoded:
        """A prompt's last tokens, the completion's, and the end of the text.

        Raises:
            TunebenchError: the model takes no messages, or not these.
        """
        if isinstance(example.prompt, str):
            ids: list[int] = self._tokenizer(example.prompt)["input_ids"]
            if len(ids) > self._max_tokens:
                kept = max(1, self._max_tokens - len(self._first))
                ids = [*self._first, *ids[-kept:]]
        else:
            ids = self._shortened(example.prompt)
        end = self._tokenizer.eos_token_id
        ending = () if end is None else (int(end),)
        return Encoded(tuple(ids), self.completion(example.completion) + ending)

    def _shortened(self, turns: Turns) -> list[int]:
        """The ids of messages; too many are taken from the start of the last message's text.

        The template and the system's message stay, without which the model is lost.
        """
        ids = self._templated(turns)
        role, text = turns[-1]
        while (excess := len(ids) - self._max_tokens) > 0 and text:
            inner = self._tokenizer(text, add_special_tokens=False)
            ends = self._tokenizer.decode(inner["input_ids"][excess:])
            # A character may be cut within: at least one goes, so that this comes to an end.
            text = ends if len(ends) < len(text) else text[1:]
            ids = self._templated((*turns[:-1], (role, text)))
        return ids

    def _templated(self, turns: Turns) -> list[int]:
        if not self._tokenizer.chat_template:
            raise TunebenchError(
                "The model has no chat template and cannot be trained on messages; give a prompt "
                "and a completion a line."
            )
        messages = [{"role": role, "content": text} for role, text in turns]
        try:
            encoded = self._tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, return_dict=True
            )
        except Exception as error:  # templates raise errors of their own kinds
            raise TunebenchError(
                "The model's chat template does not take these messages; fix their roles or "
                "their order."
            ) from error
        ids: list[int] = encoded["input_ids"]
        return ids

    def completion(self, text: str) -> tuple[int, ...]:
        """The ids of a completion, without the end of the text."""
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def make(rows: Sequence[Encoded], size: int, seed: int) -> list[Batch]:
    """Batches of rows of like length.

    Which rows go together follows from the seed and stays so in all epochs; only the order of the
    batches changes. So a batch's frozen outputs can be kept, bit for bit.
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
