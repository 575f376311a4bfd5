"""Labels that share their first tokens, told apart token by token.

The labels' token ids make a tree. Wherever it branches, the model is asked for the next token:
first after the prompt, then after the prompt and the text that the labels of that branch share. A
label's probability is the product of the shares of its branches, each a share of what all branches
at that point get together. So it is the probability under a model that may only continue with
tokens of a label, until one label is left; where first tokens differ, it is the share of each first
token.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunebench.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


_FIX = "rename one, or use the decision rule text"


@dataclass(frozen=True)
class Branching:
    """A point where labels that are the same until there continue with different tokens.

    Attributes:
        shared: the text that the completions of all its labels begin with.
        tokens: the id of each branch's next token.
        labels: the label ids of each branch.
        texts: how the completions of each branch's labels continue.
    """

    shared: str
    tokens: tuple[int, ...]
    labels: tuple[tuple[int, ...], ...]
    texts: tuple[tuple[str, ...], ...]

    def seen(self, top_logprobs: Mapping[str, float]) -> dict[int, float]:
        """The natural log-probability of each branch that is shown, by its position.

        A token belongs to the branch whose texts all begin with it. Longer tokens are assigned
        first, as a shorter one, such as a single space, may also begin the texts of others.
        """
        seen: dict[int, float] = {}
        for token in sorted(filter(None, top_logprobs), key=len, reverse=True):
            found = [
                branch
                for branch, texts in enumerate(self.texts)
                if branch not in seen and all(text.startswith(token) for text in texts)
            ]
            if len(found) == 1 and _is_number(top_logprobs[token]):
                seen[found[0]] = top_logprobs[token]
        return seen


def label_tree(
    completions: Sequence[str],
    ids: Sequence[Sequence[int]],
    tokenize: Callable[[str], list[int]],
    model: str,
) -> tuple[Branching, ...]:
    """The branchings of the labels' tokens, outer ones first.

    Args:
        completions: how each label is stated after a prompt.
        ids: the token ids of each completion.
        tokenize: the token ids of a text after a prompt.
        model: its name, for messages.

    Raises:
        RequestError: one label's tokens begin another's, so that nothing tells where it ends,
            or the shared tokens are not a text by themselves.
    """
    made: list[Branching] = []

    def grow(group: list[int], depth: int) -> None:
        branches: dict[int, list[int]] = {}
        for label in group:
            if len(ids[label]) == depth:
                other = next(one for one in group if one != label)
                raise RequestError(
                    f"the tokens of the label {completions[label].strip()!r} begin those of "
                    f"{completions[other].strip()!r} at {model}, so label_logprobs cannot tell "
                    "where it ends",
                    hint=_FIX,
                )
            branches.setdefault(ids[label][depth], []).append(label)
        if len(branches) > 1:
            shared = _text_of(
                [completions[i] for i in group], ids[group[0]][:depth], tokenize, model
            )
            texts = [[completions[i].removeprefix(shared) for i in b] for b in branches.values()]
            made.append(
                Branching(
                    shared,
                    tuple(branches),
                    tuple(map(tuple, branches.values())),
                    tuple(map(tuple, texts)),
                )
            )
        for branch in branches.values():
            if len(branch) > 1:
                grow(branch, depth + 1)

    grow(list(range(len(completions))), 0)
    return tuple(made)


def whole_label_logprobs(
    tree: Sequence[Branching], shown: Sequence[Mapping[str, float]]
) -> dict[int, float]:
    """The log-probabilities of the labels among themselves, by label id; without those not shown.

    Args:
        tree: the branchings.
        shown: the candidates that the answer at each branching shows, by the token's text.
    """
    logprobs: dict[int, float] = {}
    hidden: set[int] = set()
    for branching, top in zip(tree, shown, strict=True):
        seen = branching.seen(top)
        highest = max(seen.values(), default=0.0)
        total = highest + math.log(sum(math.exp(x - highest) for x in seen.values()) or 1.0)
        for branch, labels in enumerate(branching.labels):
            for label in labels:
                if branch not in seen:
                    hidden.add(label)
                else:
                    logprobs[label] = logprobs.get(label, 0.0) + seen[branch] - total
    return {label: value for label, value in logprobs.items() if label not in hidden}


def _text_of(
    completions: Sequence[str], ids: Sequence[int], tokenize: Callable[[str], list[int]], model: str
) -> str:
    """The beginning of all these completions whose tokens these ids are."""
    if not ids:
        return ""
    first, second = completions[:2]
    found = ""
    for end in range(len(first), 0, -1):
        begun = first[:end]
        if second.startswith(begun) and tokenize(begun) == list(ids):
            found = begun
        elif found:  # the shortest: what follows may begin with a space
            return found
    if found:
        return found
    raise RequestError(
        f"the tokens that {first.strip()!r} and {second.strip()!r} share at {model} are not a text "
        "by themselves, so label_logprobs cannot ask what follows them",
        hint=_FIX,
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
