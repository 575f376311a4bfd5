"""Decision rules: what a cell's prompts are sent with, and how its answers are read.

A rule is a file of its own that ends in a `RuleKind`, an entry of `RULES`, and a name of
`DecisionRule` in `tunebench.experiment.schema`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunebench.errors import RequestError
from tunebench.evaluation.rules.base import (
    Decision,
    Round,
    Rule,
    RuleKind,
    fields_of,
    overrides_of,
)
from tunebench.evaluation.rules.label_logprobs import (
    LABEL_LOGPROBS,
    LabelLogprobsRule,
    WholeLabelsRule,
)
from tunebench.evaluation.rules.text import TEXT, TextRule

if TYPE_CHECKING:
    from tunebench.api import Client
    from tunebench.experiment import Cell

__all__ = [
    "RULES",
    "Decision",
    "LabelLogprobsRule",
    "Round",
    "Rule",
    "RuleKind",
    "TextRule",
    "WholeLabelsRule",
    "fields_of",
    "overrides_of",
    "rule_of",
]

RULES = {kind.name: kind for kind in (TEXT, LABEL_LOGPROBS)}


def rule_of(cell: Cell, client: Client) -> Rule:
    """The rule of a cell, with the token ids that it needs.

    Raises:
        RequestError: the provider lacks what the rule needs, or the labels cannot be told apart by
            their tokens.
    """
    kind = RULES[cell.decision_rule]
    model = cell.experiment.models[cell.model]
    supported = cell.experiment.providers[model.provider].supports
    if missing := [ability for ability in kind.needs if ability not in supported]:
        raise RequestError(
            f"the decision rule {kind.name} needs {', '.join(missing)}, which the provider "
            f"{model.provider!r} does not list in `supports`",
            hint="take that rule out of [matrix] decision_rules",
        )
    return kind.make(cell, lambda text: client.tokenize(model.provider_id, text))
