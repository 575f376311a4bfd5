"""Texts of a new experiment that are longer than its model reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tunebench.formatting import BYTES_PER_TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tunebench.cli.init.experiment_files import Choices
    from tunebench.datasets import TableSummary
    from tunebench.experiment import Experiment

_USUAL_CONTEXT = 8192  # tokens; of a model whose context is not known
_MARGIN = 0.75  # of a text that is to fit, since four bytes a token are an estimate
_SHOWN = 5
_AT = f"at an estimated {BYTES_PER_TOKEN:.0f} bytes a token"


def long_texts(
    choices: Choices, summaries: Sequence[TableSummary], experiment: Experiment
) -> Iterator[str]:
    """Sentences on texts and prompts that are too long, with the key that cuts them."""
    context = _context_of(choices)
    room = (context or _USUAL_CONTEXT) - _tokens(choices.instruction)
    found = [
        (text, f"{path.name}, {place}")
        for path, summary in zip(choices.files, summaries, strict=True)
        for text, place in zip(summary.texts, summary.places, strict=True)
        if _tokens(text) > room
    ]
    if context is None:
        whose = f"{_USUAL_CONTEXT:,} tokens, and the context of {choices.model} is not known"
    else:
        whose = f"the context of {choices.model}, {context:,} tokens"
    if found:
        texts = "1 text is" if len(found) == 1 else f"{len(found)} texts are"
        places = "; ".join(place for _, place in found[:_SHOWN])
        more = "; …" if len(found) > _SHOWN else ""
        most = _proposal(room, choices.shots, [text for text, _ in found])
        yield (
            f"{texts} longer than {whose}, {_AT} ({places}{more}). Set max_chars = {most} in "
            'the [task] of the experiment, which cuts them at a word boundary (keep = "end" keeps '
            "their ends), or take the rows out."
        )
    elif context is not None:
        yield from _long_prompts(choices, experiment, context, whose)


def _long_prompts(
    choices: Choices, experiment: Experiment, context: int, whose: str
) -> Iterator[str]:
    from tunebench.evaluation import prompts_of, test_rows

    for cell in experiment.prompted_cells:
        if cell.decision_rule != "text":
            continue
        lengths = [_tokens(_text(prompt)) for prompt in prompts_of(cell).values()]
        if (longest := max(lengths)) > context:
            most = _proposal(context, choices.shots, test_rows(experiment)["text"].tolist())
            yield (
                f"Prompts of {cell} have up to {longest:,} tokens, {_AT}, and {whose} are the "
                f"most. Set max_chars = {most} in the [task] of the experiment, which cuts long "
                "texts, or show fewer examples."
            )


def _context_of(choices: Choices) -> int | None:
    """The tokens of a local model's context; None if it is not known."""
    if not choices.provider.local:
        return None
    from tunebench.local_models import MODELS

    if choices.model in MODELS:
        return MODELS[choices.model].context
    try:
        config = json.loads((Path(choices.model) / "config.json").read_text(encoding="utf-8"))
        return int(config["max_position_embeddings"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _proposal(room: int, shots: Sequence[int], texts: Sequence[str]) -> int:
    """Characters that a text may have, so that it fits with all worked examples."""
    size = sum(len(text.encode()) for text in texts) / sum(map(len, texts))
    characters = room * BYTES_PER_TOKEN * _MARGIN / size / (max(shots, default=0) + 1)
    return max(100, int(characters // 100 * 100))


def _tokens(text: str) -> int:
    return int(len(text.encode()) / BYTES_PER_TOKEN)


def _text(prompt: str | list[dict[str, str]]) -> str:
    return prompt if isinstance(prompt, str) else "".join(part["content"] for part in prompt)
