"""Labels that share their first tokens, told apart token by token.

The labels' token ids make a tree. Wherever it branches the model is asked for the next token: the
first time behind the prompt, then behind the prompt and what the labels of that branch share. A
label's probability is the product of the shares that its branches get, each of what the branches
there get together. So it is what a model says that may go on with a label's tokens only, until one
label is left; where first tokens differ it is the share of each first token. What a model would
rather have said in the middle of a label counts as little as what it would rather have begun with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunebench.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True)
class Branching:
    """Where some labels, alike until here, go on with different tokens.

    Attributes:
        shared: what all its labels' completions begin with.
        tokens: the id of each branch's next token.
        labels: the label ids of each branch.
        texts: what the completions of each branch's labels go on with.
    """

    shared: str
    tokens: tuple[int, ...]
    labels: tuple[tuple[int, ...], ...]
    texts: tuple[tuple[str, ...], ...]

    def seen(self, top_logprobs: Mapping[str, float]) -> dict[int, float]:
        """The natural log-probability of each branch that is shown, by its position.

        A token is the branch's whose texts all begin with it. A longer token is given its branch
        first, as a shorter one, such as a space alone, may begin the texts of others, too.
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
        completions: how each label is stated behind a prompt.
        ids: the token ids of each completion.
        tokenize: the token ids of a text behind a prompt.
        model: its name, for messages.

    Raises:
        RequestError: one label's tokens begin another's, so that nothing tells where it ends,
            or the shared tokens are no text of their own.
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
                    "where it ends; rename one, or use the decision rule text."
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
    """The labels' log-probabilities among the labels, by label id; without those not shown.

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
        elif found:  # the shortest: what follows may bring a space of its own
            return found
    if found:
        return found
    raise RequestError(
        f"the tokens that {first.strip()!r} and {second.strip()!r} share at {model} are no text of "
        "their own, so label_logprobs cannot ask what follows them; rename one, or use the "
        "decision rule text."
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
