"""What recording an experiment will take, before anything is asked: tokens, time and money.

Tokens are a quarter of the UTF-8 bytes. Money is counted only where the model has prices, and time
only for jobs at the local provider.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunebench.experiment import Cell, Experiment


def estimates(experiment: Experiment) -> list[dict[str, Any]]:
    """A row for each number of shots and each fine-tuned cell's answers, and one for each job.

    Returns:
        Rows with ``what``, ``tokens``, ``note``, ``cost`` (None if not known) and ``currency``; the
        answers of all decision rules count in one row.

    Raises:
        TunebenchError: the data cannot serve the experiment.
    """
    groups: dict[tuple[str, int, int], list[Cell]] = {}
    for cell in experiment.cells:
        groups.setdefault((cell.model, cell.shots, cell.train_size), []).append(cell)
    rows = []
    for cells in groups.values():
        if cells[0].train_size:
            rows.append(_job(cells[0]))
        rows.append(_answers(cells))
    return rows


def _answers(cells: list[Cell]) -> dict[str, Any]:
    from tunebench.cassettes import prompt_text
    from tunebench.evaluation.budget import cost_of_answers
    from tunebench.evaluation.inputs import prompts_of
    from tunebench.formatting import BYTES_PER_TOKEN

    first = cells[0]
    prompts = [prompt_text(prompt) for prompt in prompts_of(first).values()]
    size = sum(len(prompt.encode("utf-8", "replace")) for prompt in prompts)
    prices = first.experiment.models[first.model].prices
    costs = [cost_of_answers(prices, cell, prompts, []) if prices else None for cell in cells]
    rules = f" × {len(cells)} decision rules" if len(cells) > 1 else ""
    return {
        "what": str(first),
        "tokens": round(size / BYTES_PER_TOKEN) * len(cells),
        "note": f" of prompts ({len(prompts)} texts{rules})",
        "cost": None if None in costs else sum(cost for cost in costs if cost is not None),
        "currency": prices.currency if prices else None,
    }


def _job(cell: Cell) -> dict[str, Any]:
    from tunebench.evaluation.inputs import is_chat
    from tunebench.evaluation.training_inputs import files_of
    from tunebench.formatting import Estimate, Rates, duration
    from tunebench.presets import is_started
    from tunebench.statistics import hourly_cost, training_cost

    model = cell.experiment.models[cell.model]
    epochs, prices = cell.experiment.fine_tuning.n_epochs, model.prices
    train, _ = files_of(cell.experiment, cell.train_size, is_chat(cell))
    estimate = Estimate.of(len(train.content), Rates(epochs=epochs))
    local = is_started(model.provider, cell.experiment.providers[model.provider].preset)
    time = f", {duration(estimate.seconds)}" if local else ""
    cost = None
    if prices is not None and prices.per_hour is not None:
        cost = hourly_cost(estimate.seconds, prices.per_hour)
    elif prices is not None and prices.training is not None:
        cost = training_cost(estimate.tokens * epochs, prices.training)
    return {
        "what": f"the job {cell.job}",
        "tokens": estimate.tokens * epochs,
        "note": f" trained in {epochs} epochs{time}",
        "cost": cost,
        "currency": prices.currency if prices else None,
    }
