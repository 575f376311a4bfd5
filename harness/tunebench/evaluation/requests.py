"""The requests of a cell: one prompt of each text in each round of its decision rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunebench.api import endpoint_of
from tunebench.errors import RequestError
from tunebench.evaluation.calibration import CalibrationTexts
from tunebench.evaluation.inputs import dataset_of, is_chat, prompts_for, prompts_of
from tunebench.evaluation.items import prompt_hashes
from tunebench.evaluation.rules import RULES, fields_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tunebench.api import Prompt
    from tunebench.cassettes import Role
    from tunebench.evaluation.items import Recalled
    from tunebench.evaluation.rules import Rule
    from tunebench.experiment import Cell, Experiment


@dataclass(frozen=True)
class Request:
    """One round of a decision rule.

    Attributes:
        role: of its texts.
        endpoint: as cassettes name it.
        fields: of the body, without model and prompt.
        suffix: what the rule adds to each prompt.
        prompts: by item id; each is a request of its own where a provider takes no lists. None
            where the data set is not on this machine.
        hashes: SHA-256 (hex) of the prompts by item id.
    """

    role: Role
    endpoint: str
    fields: dict[str, Any]
    suffix: str
    prompts: dict[str, Prompt]
    hashes: dict[str, str]

    @property
    def items(self) -> dict[str, str]:
        """Item ids by the hashes of their prompts."""
        return {sha256: item for item, sha256 in self.hashes.items()}


def text_requests(cell: Cell, rule: Rule, recalled: Recalled | None = None) -> list[Request]:
    """The requests for the test texts of a cell.

    Args:
        cell: the cell.
        rule: its decision rule.
        recalled: what takes the place of the data set, where that is not on this machine.
    """
    prompts = prompts_of(cell) if recalled is None else {}
    return _requests(cell, rule, "test", prompts, recalled)


def calibration_requests(cell: Cell, rule: Rule, recalled: Recalled | None = None) -> list[Request]:
    """The requests that a cell's rule is fitted to; none for most rules.

    Raises:
        DatasetError: the training rows cannot serve.
    """
    if RULES[cell.decision_rule].calibration_texts is None:
        return []
    prompts = calibration_prompts(cell) if recalled is None else {}
    return _requests(cell, rule, "calibration", prompts, recalled)


def calibration_prompts(cell: Cell) -> dict[str, Prompt]:
    """The prompts of these requests by item id."""
    found = calibration_of(cell)
    texts = zip(found.items, found.texts, strict=True) if found else ()
    return prompts_for(cell, texts)


def calibration_of(cell: Cell, recalled: Recalled | None = None) -> CalibrationTexts | None:
    """The texts of these requests, without the texts if recalled; None where there are none."""
    texts = RULES[cell.decision_rule].calibration_texts
    if texts is None:
        return None
    if recalled is None:
        return texts(cell.experiment)
    found = recalled.calibration(cell)
    labels = [item.label for item in found if item.label is not None]
    return CalibrationTexts(tuple(item.item for item in found), (), tuple(labels))


def _requests(
    cell: Cell, rule: Rule, role: Role, prompts: Mapping[str, Prompt], recalled: Recalled | None
) -> list[Request]:
    parameters = cell.experiment.models[cell.model].parameters
    endpoint = f"POST {endpoint_of([] if is_chat(cell) else '')[1:]}"
    requests = []
    for one in rule.rounds:
        # Only for completions: a chat cannot be continued.
        made = {
            item: f"{prompt}{one.suffix}" if one.suffix else prompt
            for item, prompt in prompts.items()
        }
        if recalled is None:
            hashes = dict(zip(made, prompt_hashes(made.values()), strict=True))
        else:
            hashes = recalled.prompts(cell, one.suffix, role)
        fields = fields_of(one, parameters)
        requests.append(Request(role, endpoint, fields, one.suffix, made, hashes))
    return requests


def in_row(
    experiment: Experiment,
    name: str,
    texts: Mapping[str, Prompt],
    sent: Sequence[Prompt],
    error: RequestError,
) -> RequestError:
    """The error of a request, with the place of the row whose text was refused if it is known.

    Args:
        experiment: the experiment.
        name: of the cell or the rival that was asked.
        texts: its prompts or texts by item id.
        sent: those that were sent.
        error: what was raised.
    """
    if error.prompt is None:
        return error
    refused = sent[error.prompt]
    item = next(item for item, text in texts.items() if text == refused)
    place = dataset_of(experiment).places.get(item)
    row = f"item {item}" if place is None else f"{place}, item {item}"
    return RequestError(error.problem, where=f"{name}: {row}: {error.where}", hint=error.hint)
