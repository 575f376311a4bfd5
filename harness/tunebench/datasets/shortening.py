"""Long texts of a data set, cut as ``max_chars`` in ``[task]`` says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tunebench.datasets.labelled_texts import normalised
from tunebench.errors import DatasetError
from tunebench.formatting import shortened

if TYPE_CHECKING:
    import pandas as pd

    from tunebench.datasets.dataset import Dataset
    from tunebench.datasets.options import Options


def cut_texts(data: Dataset, options: Options) -> Dataset:
    """A data set whose texts have `options.max_chars` characters at most.

    Items are those of the whole texts.

    Raises:
        DatasetError: two texts are the same then.
    """
    most, keep = options.max_chars, options.keep
    if most is None:
        return data
    cut: set[str] = set()
    first: dict[str, str] = {}
    both: tuple[str, str] | None = None

    def texts(frame: pd.DataFrame) -> list[str]:
        nonlocal both
        found = []
        for item, text in zip(frame["item"], frame["text"], strict=True):
            found.append(shortened(text, most, keep))
            if len(text) > most:
                cut.add(item)
            other = first.setdefault(normalised(found[-1]), item)
            if other != item and both is None and cut & {item, other}:
                both = other, item
        return found

    train, test = (frame.assign(text=texts(frame)) for frame in (data.train, data.test))
    if both is not None:
        places = " and ".join(data.places.get(item, f"the item {item}") for item in both)
        problem = f"with max_chars = {most} two texts are the same ({places})"
        other_end = "start" if keep == "end" else "end"
        hint = f'raise it in [task], set keep = "{other_end}", or take a row out'
        raise DatasetError(problem, where=data.name, hint=hint)
    report = data.report
    if report is not None:
        ends = int(train["item"].isin(cut).sum()), int(test["item"].isin(cut).sum())
        report = replace(report, cut=ends, max_chars=most, keep=keep)
    return replace(data, train=train, test=test, report=report, cut=frozenset(cut))
