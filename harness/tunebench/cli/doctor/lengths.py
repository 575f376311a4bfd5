"""The ``max_chars`` with which no text of an experiment has more than so many tokens.

Its texts are sent to ``/tokenize``. A limit in characters is the same for every model and needs no
provider, so a replay, and a rival, has the texts that were asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from tunebench.errors import DatasetError, UsageError, printable
from tunebench.formatting import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tunebench.api import Client
    from tunebench.datasets import Dataset
    from tunebench.experiment import Experiment
    from tunebench.formatting import Keep


@dataclass(frozen=True)
class Fit:
    """What a limit in tokens asks for.

    Attributes:
        max_chars: the most characters of a text; None where nothing is to be cut.
        longer: how many texts have more tokens without it.
        longest: the tokens of the longest of these.
        tightest: the position of the text that asks for so few characters.
    """

    max_chars: int | None
    longer: int = 0
    longest: int = 0
    tightest: int = 0


def fit(
    texts: Sequence[str],
    most: int,
    count: Callable[[str], int],
    *,
    max_chars: int | None = None,
    keep: Keep = "start",
) -> Fit:
    """Find to how many characters texts are cut so that none has more than `most` tokens.

    Args:
        texts: whole texts.
        most: tokens.
        count: the tokens of a text.
        max_chars: a limit that there is already; it is kept if it is low enough.
        keep: which part of a longer text is kept.

    Raises:
        UsageError: one character has more tokens.
    """
    found = Fit(max_chars)
    while True:
        limit = found.max_chars
        parts = texts if limit is None else [shortened(text, limit, keep) for text in texts]
        over = [
            (len(part), tokens, i)
            for i, part in enumerate(parts)
            # A token has one character of ASCII at least, and a tokenizer may put a space in front.
            if not (part.isascii() and len(part) < most) and (tokens := count(part)) > most
        ]
        if not over:
            return found
        # Less than the length of that part, so that this ends.
        limit, tightest = min((length * most // tokens, i) for length, tokens, i in over)
        if limit < 1:
            raise UsageError(
                f"--max-tokens-in {most} is less than the tokens of a single character",
                hint="give more",
            )
        found = Fit(
            _round(limit),
            found.longer or len(over),
            found.longest or max(tokens for _, tokens, _ in over),
            tightest,
        )


def _round(limit: int) -> int:
    step = 100 if limit >= 1000 else 10 if limit >= 100 else 1
    return limit // step * step


@dataclass(frozen=True)
class Texts:
    """The texts of an experiment as they are before any cut.

    Attributes:
        experiment: the experiment.
        items: their item ids; those of the test rows first.
        texts: the same of the texts.
    """

    experiment: Experiment
    items: list[str]
    texts: list[str]

    @classmethod
    def of(cls, experiment: Experiment) -> Texts:
        """Read them.

        Raises:
            DatasetError: the data set cannot be read.
        """
        from tunebench.evaluation import test_rows, train_rows

        whole = _with_limit(experiment, None)
        frames = test_rows(whole), train_rows(whole)
        items, texts = ([v for f in frames for v in f[name]] for name in ("item", "text"))
        return cls(experiment, items, texts)

    def document(self, most: int, tokenizers: Mapping[Client, Sequence[str]]) -> dict[str, Any]:
        """The findings as JSON.

        Args:
            most: tokens of a text.
            tokenizers: for a connection, the models' ids at that provider.

        Raises:
            RequestError: a text could not be counted.
            UsageError: there is nothing to count with, or no limit in characters will do.
        """
        experiment, task = self.experiment, self.experiment.task
        asked = [(client, model) for client, models in tokenizers.items() for model in models]
        if not asked:
            raise UsageError(
                "no provider that was asked has /tokenize, so that nothing counts tokens",
                where=experiment.path,
                hint="set max_chars in [task] by an estimate, such as 3 characters a token",
            )

        @cache
        def count(text: str) -> int:
            return max(len(client.tokenize(model, text)) for client, model in asked)

        keep = task.keep or "start"
        found = fit(self.texts, most, count, max_chars=task.max_chars, keep=keep)
        data = self._cut(most, found)
        counted = [model for _, model in asked]
        cut = sum(item in data.cut for item in self.items)
        item = self.items[found.tightest]
        place = data.places.get(item, f"the item {item}")
        return {
            "max_tokens_in": most,
            "models": counted,
            "not_counted": [
                model.name
                for model in experiment.models.values()
                if model.provider_id not in counted
            ],
            "texts": len(self.texts),
            "longer": found.longer,
            "longest": found.longest if found.longer else None,
            "max_chars": found.max_chars,
            "cut": cut,
            "tightest": place if found.longer else None,
            "complaints": [
                f"{experiment.path}: [task] {_now(experiment)}, and of {len(self.texts):,} texts "
                f"{_have(found.longer, most)}; write max_chars as above."
            ]
            * bool(found.longer),
        }

    def _cut(self, most: int, found: Fit) -> Dataset:
        from tunebench.evaluation import dataset_of

        try:
            return dataset_of(_with_limit(self.experiment, found.max_chars))
        except DatasetError as error:
            if not found.longer:
                raise  # of the experiment as it is
            raise UsageError(
                f"--max-tokens-in {most} is too little: {error.problem}",
                where=self.experiment.path,
                hint="give more, or take a row out",
            ) from error


def lines_of(document: Mapping[str, Any]) -> Iterator[str]:
    """The document as lines of text."""
    most, texts, models = document["max_tokens_in"], document["texts"], document["models"]
    yield f"{texts:,} texts, tokens of {printable(', '.join(models))}"
    if document["not_counted"]:
        yield f"not counted: tokens of {', '.join(document['not_counted'])}"
    limit = document["max_chars"]
    if not document["longer"]:
        at = "" if limit is None else f" with max_chars = {limit}"
        yield f"No text has more than {most:,} tokens{at}."
        return
    yield (
        f"{_have(document['longer'], most)}, up to {document['longest']:,}; max_chars follows from "
        f"{printable(document['tightest'])}"
    )
    yield ""
    yield "[task]"
    yield f"max_chars = {limit}  # cuts {document['cut']:,} of {texts:,} texts"
    yield ""
    yield from document["complaints"]


def _have(texts: int, most: int) -> str:
    return f"{texts:,} {'has' if texts == 1 else 'have'} more than {most:,} tokens"


def _now(experiment: Experiment) -> str:
    now = experiment.task.max_chars
    return "has no max_chars" if now is None else f"has max_chars = {now}"


def _with_limit(experiment: Experiment, max_chars: int | None) -> Experiment:
    task = experiment.task.model_copy(update={"max_chars": max_chars})
    return replace(experiment, task=task)
