"""Checks across the tables of an experiment file; `schema` checks each table on its own."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, get_args
from urllib.parse import urlsplit

from tunebench.errors import ExperimentError
from tunebench.experiment.combinations import combinations_of, matches, skipped_by
from tunebench.experiment.fields import DecisionRule, unknown
from tunebench.experiment.limit_checks import check_limits
from tunebench.experiment.pins import check_pins, pin_of
from tunebench.experiment.schema import Selection
from tunebench.formatting import check_labels, check_readable
from tunebench.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tunebench.experiment.combinations import Combination
    from tunebench.experiment.models import EmbeddingRival, Model
    from tunebench.experiment.schema import ExperimentFile


def check_file(path: Path, file: ExperimentFile) -> None:
    """Check that the tables of a file agree.

    Raises:
        ExperimentError: a table names a model, provider or cell that is not defined, the labels
            cannot be told apart, a provider cannot do what its cells need, or a limit cannot be
            judged.
    """
    _check_labels(path, file)
    _check_lengths(path, file)
    _check_models(path, file)
    _check_rivals(path, file)
    cells = _checked_cells(path, file)
    check_pins(path, file, cells)
    _check_providers(path, file, cells)
    _check_calibration(path, file, cells)
    _check_prices(path, file)
    check_limits(path, file, cells)


def _check_labels(path: Path, file: ExperimentFile) -> None:
    task = file.task
    try:
        for instruction in (task.instruction, *(file.matrix.instructions or {}).values()):
            check_labels(task.labels, instruction)
        for name in {model.provider for model in file.model} & file.provider.keys():
            check_readable(task.labels, task.reading_at(file.provider[name].endpoint))
    except ExperimentError as error:
        where = f"{path}: [task]"
        raise ExperimentError(error.problem, where=where, hint=error.hint) from None


def _check_lengths(path: Path, file: ExperimentFile) -> None:
    if file.task.keep is not None and file.task.max_chars is None:
        raise ExperimentError(
            "nothing says how long the part of a text is that is kept",
            where=f"{path}: [task] keep",
            hint="set max_chars, or leave keep out",
        )


def _check_models(path: Path, file: ExperimentFile) -> None:
    labels = len(file.task.labels)
    for position, model in enumerate(file.model, 1):
        where = f"{path}: [[model]] {position}"
        if model.name in [other.name for other in file.model[: position - 1]]:
            raise ExperimentError(
                f"the name {model.name!r} is used twice", where=where, hint="rename one"
            )
        if model.provider not in file.provider:
            raise unknown("provider", model.provider, file.provider, where)
        ids = model.label_token_ids
        if ids is not None and len(ids) != labels:
            raise ExperimentError(
                f"label_token_ids has {len(ids)} ids for {labels} labels",
                where=where,
                hint="give one id for each label",
            )


def _check_rivals(path: Path, file: ExperimentFile) -> None:
    for position, rival in enumerate(file.rival, 1):
        where = f"{path}: [[rival]] {position}"
        if rival.name in [other.name for other in file.rival[: position - 1]]:
            raise ExperimentError(
                f"the name {rival.name!r} is used twice", where=where, hint="rename one"
            )
        if rival.provider not in file.provider:
            raise unknown("provider", rival.provider, file.provider, where)


def _checked_cells(path: Path, file: ExperimentFile) -> list[Combination]:
    """The combinations that are cells; every entry that selects cells must match one."""
    matrix, fine_tuning = file.matrix, file.fine_tuning
    _check_lists(path, file)
    models = [model.name for model in file.model]
    combinations = combinations_of(models, matrix, fine_tuning)
    for position, skip in enumerate(matrix.skip, 1):
        _check_entry(f"{path}: [matrix] skip {position}", skip, models, combinations)
    if twice := [name for name, count in Counter(map(str, combinations)).items() if count > 1]:
        raise ExperimentError(
            f"two cells would have the id {twice[0]!r}",
            where=path,
            hint="rename a model or an instruction",
        )
    cells = [which for which in combinations if skipped_by(matrix, which) is None]
    if not cells:
        raise ExperimentError("every cell is skipped", where=f"{path}: [matrix]", hint="leave one")
    for position, threshold in enumerate(file.threshold, 1):
        _check_entry(f"{path}: [[threshold]] {position}", threshold, models, cells)
    return cells


def _check_lists(path: Path, file: ExperimentFile) -> None:
    matrix, fine_tuning = file.matrix, file.fine_tuning
    lists = {
        f"[matrix] {key}": getattr(matrix, key)
        for key in ("shots", "train_sizes", "decision_rules", "example_draws")
    }
    lists |= {
        f"[fine_tuning] {key}": getattr(fine_tuning, key) for key in ("seeds", "decision_rules")
    }
    lists["[matrix] instructions"] = list((matrix.instructions or {}).values())
    for where, values in lists.items():
        if len(set(values or ())) < len(values or ()):
            raise ExperimentError(
                "a value is listed twice", where=f"{path}: {where}", hint="list each once"
            )
    for name in matrix.instructions or ():
        if name in get_args(DecisionRule) or re.fullmatch(r"(?:draw|seed)[0-9]+", name):
            raise ExperimentError(
                f"{name!r} has another meaning in the ids of cells",
                where=f"{path}: [matrix] instructions",
                hint="rename it",
            )
    if {"seed", "seeds"} <= fine_tuning.model_fields_set:
        raise ExperimentError(
            "there are both seed and seeds",
            where=f"{path}: [fine_tuning]",
            hint="keep one of them",
        )
    if matrix.example_draws and not any(matrix.shots):
        raise ExperimentError(
            "there are no worked examples to draw",
            where=f"{path}: [matrix] example_draws",
            hint="add a number above 0 to shots, or leave example_draws out",
        )


def _check_entry(
    where: str, entry: Selection, models: Sequence[str], cells: Sequence[Combination]
) -> None:
    if entry.model is not None and entry.model not in models:
        raise unknown("model", entry.model, models, where)
    if not any(matches(entry, which) for which in cells):
        given = entry.model_dump(include=set(Selection.model_fields), exclude_none=True)
        named = ", ".join(f"{name} = {value!r}" for name, value in given.items())
        raise ExperimentError(
            f"no cell of the matrix has {named}",
            where=where,
            hint="fix it, or add that cell to [matrix]",
        )


def _check_providers(path: Path, file: ExperimentFile, cells: Sequence[Combination]) -> None:
    for name, provider in file.provider.items():
        where = f"{path}: [provider.{name}]"
        # A preset sets the field for its chats, and may be used for completions as well.
        chat = provider.endpoint == "chat" or provider.preset
        if provider.max_tokens_field != "max_tokens" and not chat:
            raise ExperimentError(
                "max_tokens_field is only for the endpoint chat",
                where=where,
                hint='remove it, or set endpoint = "chat"',
            )
        try:
            _ = urlsplit(provider.base_url).port
        except ValueError as error:
            raise ExperimentError(
                f"base_url {provider.base_url!r} is not a URL ({error})", where=where
            ) from None
    providers = {model.name: model.provider for model in file.model}
    for cell in cells:
        provider = file.provider[providers[cell.model]]
        pin = pin_of(file.fine_tuned, cell)
        runs_job = cell.train_size and (pin is None or pin.id is None)
        if runs_job and "fine_tuning" not in provider.supports:
            note = f" ({PRESETS[provider.preset].note})" if provider.preset else ""
            raise ExperimentError(
                "this needs OpenAI's fine-tuning API, which `supports` of "
                f"[provider.{providers[cell.model]}] does not list{note}",
                where=f"{path}: [matrix] train_sizes",
                hint=f"choose a provider of {cell.model!r} that has it, name the model in "
                "[[fine_tuned]], or leave these cells out with `skip`",
            )


def _check_calibration(path: Path, file: ExperimentFile, cells: Sequence[Combination]) -> None:
    calibration, labels = file.calibration, len(file.task.labels)
    given = "calibration" in file.model_fields_set
    where = f"{path}: [calibration]"
    if not any(cell.decision_rule == "calibrated" for cell in cells):
        if given:
            raise ExperimentError(
                "no cell has the decision rule calibrated",
                where=where,
                hint="add it to [matrix] decision_rules, or remove this table",
            )
    elif calibration.method == "content_free":
        if "rows" in calibration.model_fields_set:
            raise ExperimentError(
                'rows are for method = "labelled", and content_free takes none',
                where=where,
                hint="keep one of the two",
            )
    elif calibration.rows < labels:
        raise ExperimentError(
            f"{calibration.rows} rows cannot hold each of the {labels} labels",
            where=where if given else f"{where} (the default)",
            hint=f"set rows to more than {labels}",
        )


def _check_prices(path: Path, file: ExperimentFile) -> None:
    tables: dict[str, Sequence[Model | EmbeddingRival]] = {"model": file.model, "rival": file.rival}
    for table, priced in tables.items():
        for position, one in enumerate(priced, 1):
            prices = one.prices
            if prices is not None and prices.per_hour is not None:
                per_token = (prices.training, prices.input, prices.output)
                if any(price is not None for price in per_token):
                    raise ExperimentError(
                        f"the prices of {one.name!r} are both per token and per_hour",
                        where=f"{path}: [[{table}]] {position}: prices",
                        hint="keep one of them",
                    )
