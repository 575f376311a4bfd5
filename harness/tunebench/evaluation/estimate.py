"""Estimates of what recording takes, before anything is sent: tokens, time and money.

A token is four bytes of UTF-8, unless answers of the same cell are recorded: then a prompt counts
the tokens and the time that those took. A job takes 380 tokens a second, as do answers of which
none is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from tunebench.cassettes import prompt_text
from tunebench.evaluation.inputs import is_chat, prompts_of
from tunebench.evaluation.prices import cost_of_training, cost_per_1000
from tunebench.evaluation.requests import calibration_prompts
from tunebench.evaluation.rules import RULES
from tunebench.evaluation.training_inputs import files_of, rival_texts
from tunebench.formatting import BYTES_PER_TOKEN, TOKENS_PER_SECOND, Rates, duration
from tunebench.formatting import Estimate as TrainingEstimate
from tunebench.presets import is_started

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tunebench.api import JobSpec, Prompt, Upload
    from tunebench.cassettes import CassetteFile, Row
    from tunebench.experiment import Cell, EmbeddingRival, Experiment, Prices

_SAMPLE_ROWS = 200


@dataclass(frozen=True)
class Estimate:
    """What some prompts of a cell, its fine-tuning job, or a rival's embeddings will take.

    Attributes:
        model: the name of the model, or the rival, that has the prices.
        prices: if it has any.
        name: of the cell, the job or the rival.
        tokens: of the prompts, or trained on in all epochs.
        seconds: how long that takes.
        cost: in the currency of the model's prices; None where they do not say.
        priced_by: the prices per token that it needs.
    """

    model: str
    prices: Prices | None
    name: str
    tokens: int
    seconds: float
    cost: float | None
    priced_by: str

    @classmethod
    def of_answers(
        cls, cell: Cell, prompts: Collection[Prompt], file: CassetteFile | None = None
    ) -> Estimate:
        """The estimate for one prompt or more.

        Args:
            cell: the cell.
            prompts: to send, of all rounds of its decision rule.
            file: its cassette; the answers in it show what others will take.
        """
        n = len(prompts)
        answer_tokens = n * RULES[cell.decision_rule].answer_tokens(cell)
        tokens, seconds = _of_prompts(prompts, answer_tokens, file)
        prices = prices_of(cell)
        cost = cost_per_1000(prices, tokens, answer_tokens, seconds, n)
        if cost is not None:
            cost = cost / 1000 * n
        return cls(cell.model, prices, str(cell), round(tokens), seconds, cost, "input and output")

    @classmethod
    def of_embeddings(
        cls, rival: EmbeddingRival, texts: Sequence[str], file: CassetteFile | None = None
    ) -> Estimate:
        """The estimate for a rival's embeddings of one text or more; see `of_answers`."""
        tokens, seconds = _of_prompts(texts, 0, file)
        prices = rival.prices
        # An embedding has no tokens of an answer, so their price does not matter.
        priced = prices and prices.model_copy(update={"output": 0.0})
        cost = cost_per_1000(priced, tokens, 0, seconds, len(texts))
        if cost is not None:
            cost = cost / 1000 * len(texts)
        name = f"{rival.name} (rival)"
        return cls(rival.name, prices, name, round(tokens), seconds, cost, "input")

    @classmethod
    def of_job(cls, cell: Cell, train: Upload) -> Estimate:
        """The estimate for a fine-tuned cell's job, given its training file."""
        epochs = cell.experiment.fine_tuning.n_epochs
        training = TrainingEstimate.of(len(train.content), Rates(epochs=epochs))
        tokens = training.tokens * epochs
        prices = prices_of(cell)
        cost = cost_of_training(prices, tokens, training.seconds)
        return cls(cell.model, prices, cell.job, tokens, training.seconds, cost, "training")


def prices_of(cell: Cell) -> Prices | None:
    """The prices of a cell's model."""
    return cell.experiment.models[cell.model].prices


def answers_announcement(estimate: Estimate, prompts: int) -> str | None:
    """What prompts that are about to be sent will cost; None where no price is set."""
    prices = estimate.prices
    if prices is None or estimate.cost is None:
        return None
    return f"{estimate.name}: {prompts} prompts to ask, about {estimate.cost:.4g} {prices.currency}"


def job_announcement(cell: Cell, estimate: Estimate, spec: JobSpec) -> str:
    """What a job that is about to start will take."""
    experiment, prices = cell.experiment, estimate.prices
    if prices is None or not prices.model_fields_set - {"currency"}:
        cost = "no price is set"
    elif estimate.cost is None:
        cost = "its prices do not say what training costs"
    else:
        rate = (
            f"{prices.training:g} a million"
            if prices.per_hour is None
            else f"{prices.per_hour:g} an hour"
        )
        cost = f"about {estimate.cost:.2f} {prices.currency} at {rate}"
    return (
        f"{spec.name}: fine-tuning {experiment.models[cell.model].provider_id} on "
        f"{spec.train.rows} rows, validating on {spec.valid.rows}: about {estimate.tokens:,} "
        f"tokens in {experiment.fine_tuning.n_epochs} epochs; {cost}"
    )


def estimates(experiment: Experiment) -> list[dict[str, Any]]:
    """A row for each number of shots, each fine-tuned cell's answers, each job and each rival.

    Returns:
        Rows with ``what``, ``tokens``, ``note``, ``cost`` (None if not known), ``currency``,
        ``prompts`` (to send) and ``seconds`` (at the local provider's pace); the answers of all
        decision rules count in one row, those that rules share once.

    Raises:
        TunebenchError: the data cannot serve the experiment.
    """
    groups: dict[str, list[Cell]] = {}
    for cell in experiment.cells:
        groups.setdefault(cell.answered_by, []).append(cell)
    rows = []
    for cells in groups.values():
        if cells[0].train_size and cells[0].pin is None:
            rows.append(_job_row(cells[0]))
        rows.append(_answers_row(cells))
    sizes = experiment.matrix.train_sizes
    return rows + [_rival_row(experiment, rival) for rival in experiment.embedding_rivals if sizes]


def _answers_row(cells: list[Cell]) -> dict[str, Any]:
    prompts = list(prompts_of(cells[0]).values())
    further: list[Prompt] = []
    recorded: dict[str, tuple[Cell, list[Prompt]]] = {}
    for cell in cells:
        own = list(calibration_prompts(cell).values())
        _, asked = recorded.setdefault(cell.recording, (cell, list(prompts)))
        asked += own
        further += own
    found = [Estimate.of_answers(cell, asked) for cell, asked in recorded.values()]
    rules = f" × {len(recorded)} decision rules" if len(recorded) > 1 else ""
    rules += f", and {len(further)} to calibrate with" if further else ""
    costs = [estimate.cost for estimate in found if estimate.cost is not None]
    return _row(
        found[0],
        what=str(cells[0]),
        tokens=sum(estimate.tokens for estimate in found),
        note=f" of prompts ({len(prompts)} texts{rules})",
        cost=sum(costs) if len(costs) == len(found) else None,
        prompts=sum(len(asked) for _, asked in recorded.values()),
        seconds=sum(estimate.seconds for estimate in found),
    )


def _job_row(cell: Cell) -> dict[str, Any]:
    train, _ = files_of(cell.experiment, cell.train_size, is_chat(cell))
    estimate = Estimate.of_job(cell, train)
    name = cell.experiment.models[cell.model].provider
    is_local = is_started(name, cell.experiment.providers[name].preset)
    time = f", {duration(estimate.seconds)}" if is_local else ""
    return _row(
        estimate,
        what=f"the job {cell.job}",
        tokens=estimate.tokens,
        note=f" trained in {cell.experiment.fine_tuning.n_epochs} epochs{time}",
        cost=estimate.cost,
        prompts=0,
        seconds=estimate.seconds,
    )


def _rival_row(experiment: Experiment, rival: EmbeddingRival) -> dict[str, Any]:
    texts = list(dict.fromkeys(rival_texts(experiment).values()))
    estimate = Estimate.of_embeddings(rival, texts)
    return _row(
        estimate,
        what=estimate.name,
        tokens=estimate.tokens,
        note=f" of embeddings ({len(texts)} texts)",
        cost=estimate.cost,
        prompts=len(texts),
        seconds=estimate.seconds,
    )


def _row(estimate: Estimate, **row: Any) -> dict[str, Any]:
    return {**row, "currency": estimate.prices.currency if estimate.prices else None}


def _of_prompts(
    prompts: Collection[Prompt], answer_tokens: float, file: CassetteFile | None
) -> tuple[float, float]:
    """The tokens of prompts, and the seconds that their answers take."""
    rows, n = _sample(file), len(prompts)
    counted = [row.usage[0] / row.prompts for row in rows if row.usage[0] is not None]
    if rows and len(counted) == len(rows):
        tokens = sum(counted) / len(rows) * n
    else:
        texts = map(prompt_text, prompts)
        tokens = sum(len(text.encode("utf-8", "replace")) for text in texts) / BYTES_PER_TOKEN
    if rows:
        return tokens, sum(row.latency_ms / row.prompts for row in rows) / 1000 / len(rows) * n
    return tokens, (tokens + answer_tokens) / TOKENS_PER_SECOND


def _sample(file: CassetteFile | None) -> list[Row]:
    """Some rows of a cassette that hold answers."""
    answers = (
        stored.row
        for stored in (file.rows() if file else ())
        if stored.request.endpoint.endswith(("completions", "embeddings"))
    )
    return list(islice(answers, _SAMPLE_ROWS))
