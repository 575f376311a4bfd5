"""What the tables of an experiment file must agree on, each with its own error.

The tables on their own are checked by `tunebench.experiment.schema`. Nothing is loaded or asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tunebench.errors import ExperimentError
from tunebench.experiment.combinations import combinations_of, matches, skipped_by
from tunebench.experiment.limits import limits_of
from tunebench.experiment.loading import unknown
from tunebench.experiment.schema import LIMITS
from tunebench.formatting import check_labels, check_readable
from tunebench.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tunebench.experiment.combinations import Combination
    from tunebench.experiment.limits import Limit
    from tunebench.experiment.schema import ExperimentFile, Prices, Skip, Threshold


def check_file(path: Path, file: ExperimentFile) -> None:
    """Check that the tables of a file agree.

    Raises:
        ExperimentError: a table names a model, provider or cell that is not defined, the labels
            cannot be told apart, a provider cannot do what its cells need, or a limit cannot be
            judged.
    """
    _check_labels(path, file)
    _check_models(path, file)
    cells = _checked_cells(path, file)
    _check_providers(path, file, cells)
    _check_prices(path, file)
    _check_limits(path, file, cells)


def _check_labels(path: Path, file: ExperimentFile) -> None:
    task = file.task
    try:
        check_labels(task.labels, task.instruction)
        for name in {model.provider for model in file.model} & file.provider.keys():
            check_readable(task.labels, task.reading_at(file.provider[name].endpoint))
    except ExperimentError as error:
        raise ExperimentError(f"{path}: [task] {error}") from None


def _check_models(path: Path, file: ExperimentFile) -> None:
    for position, model in enumerate(file.model, 1):
        at = f"{path}: [[model]] {position}: "
        if model.name in [other.name for other in file.model[: position - 1]]:
            raise ExperimentError(f"{at}the name {model.name!r} is used twice; rename one.")
        if model.provider not in file.provider:
            raise ExperimentError(f"{at}{unknown('provider', model.provider, file.provider)}")
        ids = model.label_token_ids
        if ids is not None and len(ids) != len(file.task.labels):
            raise ExperimentError(
                f"{at}label_token_ids has {len(ids)} ids for {len(file.task.labels)} labels; "
                "give one id a label."
            )


def _checked_cells(path: Path, file: ExperimentFile) -> list[Combination]:
    """The combinations that are cells; every entry that selects some must match one."""
    matrix = file.matrix
    for name, values in (
        ("shots", matrix.shots),
        ("train_sizes", matrix.train_sizes),
        ("decision_rules", matrix.decision_rules),
    ):
        if len(set(values)) < len(values):
            raise ExperimentError(f"{path}: [matrix] {name} lists a value twice; list each once.")
    models = [model.name for model in file.model]
    combinations = combinations_of(models, matrix)
    for position, skip in enumerate(matrix.skip, 1):
        _check_entry(f"{path}: [matrix] skip {position}: ", skip, models, combinations)
    cells = [which for which in combinations if skipped_by(matrix, which) is None]
    if not cells:
        raise ExperimentError(f"{path}: [matrix] skips every cell; leave one.")
    for position, threshold in enumerate(file.threshold, 1):
        _check_entry(f"{path}: [[threshold]] {position}: ", threshold, models, cells)
    return cells


def _check_entry(
    at: str, entry: Skip | Threshold, models: Sequence[str], cells: Sequence[Combination]
) -> None:
    if entry.model is not None and entry.model not in models:
        raise ExperimentError(f"{at}{unknown('model', entry.model, models)}")
    if not any(matches(entry, which) for which in cells):
        given = entry.model_dump(
            include={"model", "shots", "train_size", "decision_rule"}, exclude_none=True
        )
        named = ", ".join(f"{name} = {value!r}" for name, value in given.items())
        raise ExperimentError(
            f"{at}no cell of the matrix has {named}; fix it, or add that cell to [matrix]."
        )


def _check_providers(path: Path, file: ExperimentFile, cells: Sequence[Combination]) -> None:
    for name, provider in file.provider.items():
        # A preset names the field for its chats, and may be asked for completions all the same.
        chat = provider.endpoint == "chat" or provider.preset
        if provider.max_tokens_field != "max_tokens" and not chat:
            raise ExperimentError(
                f"{path}: [provider.{name}] max_tokens_field is for the endpoint chat; "
                "take it out, or set that endpoint."
            )
        try:
            _ = urlsplit(provider.base_url).port
        except ValueError as error:
            raise ExperimentError(
                f"{path}: [provider.{name}] base_url {provider.base_url!r}: {error}; fix it."
            ) from None
    providers = {model.name: model.provider for model in file.model}
    for cell in cells:
        provider = file.provider[providers[cell.model]]
        if cell.train_size and "fine_tuning" not in provider.supports:
            note = f" ({PRESETS[provider.preset].note})" if provider.preset else ""
            raise ExperimentError(
                f"{path}: [matrix] train_sizes needs OpenAI's fine-tuning API, which "
                f"[provider.{providers[cell.model]}] does not list in `supports`{note}; take "
                f"{cell.model!r} from a provider that has it, or leave its training sizes out by "
                "`skip`."
            )


def _check_prices(path: Path, file: ExperimentFile) -> None:
    for model in file.model:
        prices = model.prices
        if prices is not None and prices.per_hour is not None:
            by_token = (prices.training, prices.input, prices.output)
            if any(price is not None for price in by_token):
                raise ExperimentError(
                    f"{path}: the prices of the model {model.name!r} are by the token and "
                    "per_hour at once; keep the one way in which it is paid."
                )


def _check_limits(path: Path, file: ExperimentFile, cells: Sequence[Combination]) -> None:
    ids = [str(which) for which in cells]
    for position, threshold in enumerate(file.threshold, 1):
        at = f"{path}: [[threshold]] {position}: "
        if all(getattr(threshold, gate) is None for gate in LIMITS):
            *first, last = LIMITS
            raise ExperimentError(f"{at}it sets no limit; add {', '.join(first)} or {last}.")
        if threshold.min_uplift is not None and threshold.over is None:
            raise ExperimentError(
                f'{at}min_uplift is over another cell; name it, as over = "{ids[0]}".'
            )
        if threshold.over is not None and threshold.min_uplift is None:
            raise ExperimentError(f"{at}over goes with min_uplift; add that, or leave over out.")
        if threshold.over is not None and threshold.over not in ids:
            raise ExperimentError(f"{at}{unknown('cell', threshold.over, ids)}")
    prices = {model.name: model.prices for model in file.model}
    for cell in cells:
        for limit in limits_of(file.threshold, cell):
            _check_limit(f"{path}: [[threshold]] {limit.position}: ", cell, limit, prices)


def _check_limit(
    at: str, cell: Combination, limit: Limit, prices: dict[str, Prices | None]
) -> None:
    if limit.over == str(cell):
        raise ExperimentError(
            f"{at}{cell} would be compared with itself; say more closely which cells are meant."
        )
    if limit.gate == "max_cost" and not _priced(prices[cell.model]):
        raise ExperimentError(
            f"{at}max_cost of {cell} needs prices; give the model {cell.model!r} prices with input "
            "and output, or with per_hour."
        )


def _priced(prices: Prices | None) -> bool:
    """Whether answers have a cost."""
    if prices is None:
        return False
    return prices.per_hour is not None or None not in (prices.input, prices.output)
