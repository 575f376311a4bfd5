"""Decision rules: what a cell's prompts are sent with, and how its answers are read.

A rule is a name of `DecisionRule` in `tunebench.experiment.fields`, and a module of that name
here, which ends in `RULE`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, get_args

from tunebench.errors import RequestError
from tunebench.evaluation.rules.base import (
    Decision,
    LabelBiases,
    Round,
    Rule,
    RuleKind,
    fields_of,
    overrides_of,
)
from tunebench.evaluation.rules.label_logprobs import (
    LabelLogprobsRule,
    WholeLabelsRule,
)
from tunebench.evaluation.rules.text import TextRule
from tunebench.experiment import DecisionRule

if TYPE_CHECKING:
    from tunebench.api import Client
    from tunebench.experiment import Cell

__all__ = [
    "RULES",
    "Decision",
    "LabelBiases",
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

RULES: dict[str, RuleKind] = {
    name: import_module(f"{__name__}.{name}").RULE for name in get_args(DecisionRule)
}


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
            f"the decision rule {cell.decision_rule} needs {', '.join(missing)}, which the "
            f"provider {model.provider!r} does not list in `supports`",
            hint="take that rule out of [matrix] decision_rules",
        )
    return kind.make(cell, lambda text: client.tokenize(model.provider_id, text))
