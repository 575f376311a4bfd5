"""The requests of a cell: one prompt of each text in each round of its decision rule."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunebench.api import endpoint_of
from tunebench.errors import RequestError, TunebenchError
from tunebench.evaluation.calibration import CalibrationTexts
from tunebench.evaluation.inputs import dataset_of, is_chat, prompts_for, prompts_of
from tunebench.evaluation.prompts import Hashes, Prompts
from tunebench.evaluation.rules import RULES, fields_of, rule_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tunebench.api import Client, FineTuned
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
    prompts: Prompts | None
    hashes: Mapping[str, str]


def text_requests(cell: Cell, rule: Rule, recalled: Recalled | None = None) -> list[Request]:
    """The requests for the test texts of a cell.

    Args:
        cell: the cell.
        rule: its decision rule.
        recalled: what takes the place of the data set, where that is not on this machine.
    """
    prompts = prompts_of(cell) if recalled is None else None
    return _requests(cell, rule, "test", prompts, recalled)


def calibration_requests(cell: Cell, rule: Rule, recalled: Recalled | None = None) -> list[Request]:
    """The requests that a cell's rule is fitted to; none for most rules.

    Raises:
        DatasetError: the training rows cannot serve.
    """
    if RULES[cell.decision_rule].calibration_texts is None:
        return []
    prompts = calibration_prompts(cell) if recalled is None else None
    return _requests(cell, rule, "calibration", prompts, recalled)


def calibration_prompts(cell: Cell) -> Prompts:
    """The prompts of these requests by item id."""
    found = calibration_of(cell)
    return prompts_for(cell, found.items, found.texts) if found else prompts_for(cell, (), ())


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


def requests_to_record(cell: Cell, others: Sequence[Cell], client: Client) -> list[Request]:
    """The requests of a cell, those of others that share its cassette, and at last its texts'."""
    rule = rule_of(cell, client)
    texts, requests = text_requests(cell, rule), calibration_requests(cell, rule)
    for one in others:
        requests += requests_if_any(one, client)
    different = []
    for request in requests:
        if request not in different and request not in texts:
            different.append(request)
    return different + texts


def requests_if_any(cell: Cell, client: Client, recalled: Recalled | None = None) -> list[Request]:
    """All requests of a cell; none where its data or its provider does not allow them."""
    # What keeps another cell from being asked is said where that one is evaluated.
    with suppress(TunebenchError):
        rule = rule_of(cell, client)
        further = calibration_requests(cell, rule, recalled)
        return further + text_requests(cell, rule, recalled)
    return []


def _requests(
    cell: Cell, rule: Rule, role: Role, prompts: Prompts | None, recalled: Recalled | None
) -> list[Request]:
    parameters = cell.experiment.models[cell.model].parameters
    endpoint = f"POST {endpoint_of([] if is_chat(cell) else '')[1:]}"
    requests = []
    for one in rule.rounds:
        hashes: Mapping[str, str] = {}
        # Only for completions: a chat cannot be continued.
        made = None if prompts is None else prompts.ending_with(one.suffix)
        if made is not None:
            hashes = Hashes(made)
        elif recalled is not None:
            hashes = recalled.prompts(cell, one.suffix, role)
        fields = fields_of(one, parameters)
        requests.append(Request(role, endpoint, fields, one.suffix, made, hashes))
    return requests


def model_name(cell: Cell, made: FineTuned | None) -> str:
    """The model's name in requests."""
    return made.model if made else cell.experiment.models[cell.model].provider_id


def in_row(experiment: Experiment, name: str, item: str, error: RequestError) -> RequestError:
    """The error of a request whose text was refused, with the place of its row if it is known.

    Args:
        experiment: the experiment.
        name: of the cell or the rival that was asked.
        item: the id of the text that was refused.
        error: what was raised.
    """
    place = dataset_of(experiment).places.get(item)
    row = f"item {item}" if place is None else f"{place}, item {item}"
    return RequestError(error.problem, where=f"{name}: {row}: {error.where}", hint=error.hint)
