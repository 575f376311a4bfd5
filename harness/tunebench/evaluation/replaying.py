"""Replay of a cell: its answers, from its cassette, as its decision rule reads them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from tunebench.cassettes import use_cassette
from tunebench.evaluation.inputs import dataset_of
from tunebench.evaluation.judgements import Seen
from tunebench.evaluation.prices import cost_per_1000
from tunebench.evaluation.prompts import Chosen, ItemsByHash
from tunebench.evaluation.recording import cassette_file
from tunebench.evaluation.requests import (
    calibration_of,
    calibration_requests,
    requests_if_any,
    text_requests,
)
from tunebench.evaluation.rules import rule_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tunebench.api import Answer, Client
    from tunebench.cassettes import RecordedCassette, Totals
    from tunebench.evaluation.items import Recalled
    from tunebench.evaluation.requests import Request
    from tunebench.evaluation.rules import LabelBiases, Rule
    from tunebench.experiment import Cell, Prices

_RECALLED_AT_ONCE = 1000


@dataclass(frozen=True)
class Calibration:
    """The calibration of a cell, and what the answers to its texts took.

    Attributes:
        biases: of the labels.
        prompt_tokens: tokens of their prompts, as the provider counted them.
        completion_tokens: tokens of their completions.
        seconds: the sum of the times of their requests, as recorded.
    """

    biases: LabelBiases
    prompt_tokens: int
    completion_tokens: int
    seconds: float

    @classmethod
    def of(cls, rule: Rule, taken: Totals) -> Calibration | None:
        """The calibration of a fitted rule; None for a rule without biases."""
        if rule.biases is None:
            return None
        return cls(rule.biases, taken.prompt_tokens, taken.completion_tokens, taken.seconds)

    def cost(self, prices: Prices | None) -> float | None:
        """The cost of the answers; None where the prices do not say."""
        texts = self.biases.texts
        per_1000 = cost_per_1000(
            prices, self.prompt_tokens, self.completion_tokens, self.seconds, texts
        )
        return None if per_1000 is None else per_1000 * texts / 1000

    def remarks(self, labels: Sequence[str]) -> list[str]:
        """Remarks on it, a clause each."""
        biases = self.biases
        rows = "labelled training rows" if biases.method == "labelled" else "content-free texts"
        remarks = [f"calibrated with {biases.texts} {rows}"]
        if biases.unseen:
            unseen = ", ".join(repr(labels[label]) for label in biases.unseen)
            remarks.append(
                f"no answer that it is calibrated with shows {unseen} among the likeliest tokens, "
                "so that has no bias"
            )
        return remarks


@dataclass(frozen=True)
class CellAnswers:
    """What was read of a cell's cassette.

    Attributes:
        requests: that it answers, as they are here.
        rule: the decision rule, fitted if it is to be.
        seen: what the rule read of the answers to the test texts.
        totals: of these answers.
        calibration: of the rule ``calibrated``, or None.
        limits: the limits that the cell had when its recording began; None if they are not known.
        unplayed: the keys of the rows that no cell of the experiment uses.
    """

    requests: Sequence[Request]
    rule: Rule
    seen: Seen
    totals: Totals
    calibration: Calibration | None
    limits: Mapping[str, float] | None
    unplayed: list[str]


def read_answers(
    cell: Cell, model: str, client: Client, hint: str, recalled: Recalled | None
) -> CellAnswers:
    """Read a cell's answers; the cassette's index is gone with this call.

    Args:
        cell: the cell.
        model: its model's name in requests.
        client: of its provider, for replays.
        hint: how to record what is missing, for the message of a miss.
        recalled: what takes the place of the data set, where that is not on this machine.

    Raises:
        TunebenchError: an answer is missing or damaged, or the data cannot serve.
    """
    items = ItemsByHash()
    places = dataset_of(cell.experiment).places if recalled is None else {}
    with (
        closing(cassette_file(cell.experiment, cell.cassette, cell.recording)) as file,
        use_cassette(file, before_send=None, items=items, hint=hint, places=places) as cassette,
    ):

        def ask(requests: Sequence[Request]) -> list[Iterator[Answer]]:
            items.add(requests)
            return [_answers(request, client, cassette, model) for request in requests]

        rule = rule_of(cell, client)
        requests = text_requests(cell, rule, recalled)
        calibration, fitted_to = None, calibration_of(cell, recalled)
        if fitted_to is None:
            seen = Seen.of(rule, ask(requests))
            totals = cassette.totals()
        else:  # before it is fitted it reads no answer
            answers = list(map(list, ask(requests)))
            totals = cassette.totals()
            further = calibration_requests(cell, rule, recalled)
            rule = rule.fitted(list(map(list, ask(further))), fitted_to.labels)
            requests += further
            calibration = Calibration.of(rule, cassette.totals())
            seen = Seen.of(rule, answers)
        if not cassette.all_played:
            _spare(cassette, cell.sharing, client, model, recalled)
        limits, unplayed = file.recorded_limits.get(str(cell)), cassette.unplayed
    return CellAnswers(requests, rule, seen, totals, calibration, limits, unplayed)


def _answers(
    request: Request, client: Client, cassette: RecordedCassette, model: str
) -> Iterator[Answer]:
    """The recorded answers to a request's prompts, in their order."""
    if request.prompts is not None:
        for reply in client.stream(model, Chosen.all(request.prompts), request.fields):
            yield from reply.answers
        return
    fields, hashes = {"model": model, **request.fields}, iter(request.hashes.values())
    while some := list(islice(hashes, _RECALLED_AT_ONCE)):
        yield from cassette.recalled(request.endpoint, fields, some)


def _spare(
    cassette: RecordedCassette,
    cells: Sequence[Cell],
    client: Client,
    model: str,
    recalled: Recalled | None,
) -> None:
    """Count the rows that other cells of a cassette ask for as used."""
    for cell in cells:
        for request in requests_if_any(cell, client, recalled):
            fields = {"model": model, **request.fields}
            cassette.spare(request.endpoint, fields, request.hashes.values())
