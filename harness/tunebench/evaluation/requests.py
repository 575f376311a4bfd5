"""The requests of a cell: one prompt of each text in each round of its decision rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunebench.api import endpoint_of
from tunebench.evaluation.inputs import prompts_for, prompts_of
from tunebench.evaluation.rules import RULES, fields_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tunebench.api import Prompt
    from tunebench.evaluation.calibration import CalibrationTexts
    from tunebench.evaluation.rules import Rule
    from tunebench.experiment import Cell


@dataclass(frozen=True)
class Request:
    """One round of a decision rule.

    Attributes:
        fields: of the body, without model and prompt.
        prompts: by item id; each is a request of its own where a provider takes no lists.
    """

    fields: dict[str, Any]
    prompts: dict[str, Prompt]

    @property
    def endpoint(self) -> str:
        """As cassettes name it."""
        return f"POST {endpoint_of(next(iter(self.prompts.values())))[1:]}"


def text_requests(cell: Cell, rule: Rule) -> list[Request]:
    """The requests for the test texts of a cell."""
    return _requests(cell, rule, dict(prompts_of(cell)))


def calibration_requests(cell: Cell, rule: Rule) -> list[Request]:
    """The requests that a cell's rule is fitted to; none for most rules.

    Raises:
        DatasetError: the training rows cannot serve.
    """
    prompts = calibration_prompts(cell)
    return _requests(cell, rule, prompts) if prompts else []


def calibration_prompts(cell: Cell) -> dict[str, Prompt]:
    """The prompts of these requests by item id."""
    found = calibration_of(cell)
    texts = zip(found.items, found.texts, strict=True) if found else ()
    return prompts_for(cell, texts)


def calibration_of(cell: Cell) -> CalibrationTexts | None:
    """The texts of these requests; None where the cell's rule has none."""
    texts = RULES[cell.decision_rule].calibration_texts
    return None if texts is None else texts(cell.experiment)


def _requests(cell: Cell, rule: Rule, prompts: Mapping[str, Prompt]) -> list[Request]:
    parameters = cell.experiment.models[cell.model].parameters
    return [
        Request(
            fields_of(one, parameters),
            # Only for completions: a chat cannot be continued.
            {item: f"{prompt}{one.suffix}" if one.suffix else prompt
             for item, prompt in prompts.items()},
        )
        for one in rule.rounds
    ]  # fmt: skip
