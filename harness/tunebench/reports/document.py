"""The schema of ``results.json``: what `pytest --results` writes, and what is read back.

Results are one object, version 3. A number is null where there is none: it is not known, or it is
infinite or NaN, such as a loss that diverged. In version 2 ``rivals`` was called ``baselines``.
Version 1 had only ``cells`` without lists, ``uplifts``, ``baselines`` and ``errors``. Fields that
are not in the schema are ignored.

pydantic builds a model's validator when it is first used, so importing this module stays cheap.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from tunebench.reports.answers import Answer, BreakEven, DataNeed, Failure
from tunebench.reports.cell_rows import CellRow, RivalRow
from tunebench.reports.checked_json import EXACTLY, Line, Part, wrong
from tunebench.reports.rows import About, Job, UpliftRow, repeated

VERSION = 3


class Results(Part):
    """Results of version 3.

    Attributes:
        tunebench: the version that wrote them.
        rivals: what a fine-tuned model has to beat, of each training size.
        errors: cells without a result.
    """

    version: Annotated[int, Field(ge=VERSION, le=VERSION)]
    tunebench: Line | None = None
    answers: list[Answer] = Field(default_factory=list)
    data_needs: list[DataNeed] = Field(default_factory=list)
    experiments: list[About] = Field(default_factory=list)
    cells: list[CellRow]
    jobs: list[Job] = Field(default_factory=list)
    uplifts: list[UpliftRow] = Field(default_factory=list)
    rivals: list[RivalRow] = Field(default_factory=list)
    break_evens: list[BreakEven] = Field(default_factory=list)
    errors: list[Failure] = Field(default_factory=list)

    @model_validator(mode="after")
    def _consistent(self) -> Results:
        if twice := repeated([about.name for about in self.experiments]):
            raise wrong("experiments", f"the experiment {twice!r} is there twice")
        about = {one.name: one for one in self.experiments}
        if again := repeated([(cell.experiment, cell.cell) for cell in self.cells]):
            raise wrong("cells", f"the cell {again[1]!r} of {again[0]!r} is there twice")
        for number, cell in enumerate(self.cells):
            at = f"cells.{number}"
            if cell.experiment not in about:
                raise wrong(f"{at}.experiment", f"there is no experiment {cell.experiment!r}")
            _check_answers(at, cell, about[cell.experiment])
            _check_confusion(at, cell, about[cell.experiment])
        for number, row in enumerate(self.rivals):
            if row.experiment in about and row.predictions is not None:
                _check_answers(f"rivals.{number}", row, about[row.experiment])
        return self


def _check_answers(at: str, row: CellRow | RivalRow, about: About) -> None:
    """Whether a row's counts are those of its predictions."""
    predictions = row.predictions or []
    if not len(predictions) == row.n == len(about.items):
        raise wrong(f"{at}.predictions", f"there is not one for each of {len(about.items)} items")
    if max((p for p in predictions if p is not None), default=0) >= len(about.labels):
        raise wrong(
            f"{at}.predictions", f"there are {len(about.labels)} labels, with ids from 0 on"
        )
    right = sum(p == label for p, label in zip(predictions, about.label_ids, strict=True))
    if right != row.correct:
        raise wrong(f"{at}.correct", f"by the predictions and the label ids {right} are right")
    own, rate = row.majority_rate, about.majority_rate
    if own is not None and rate is not None and abs(own - rate) > EXACTLY:
        raise wrong(f"{at}.majority_rate", f"the experiment's is {rate}")


def _check_confusion(at: str, cell: CellRow, about: About) -> None:
    labels = len(about.labels)
    for row in cell.probabilities or ():
        if row is not None and (len(row) != labels or abs(sum(row) - 1) > 1e-6):
            raise wrong(f"{at}.probabilities", "a row is not one of each label, 1 together")
    if cell.calibration is not None and len(cell.calibration.biases) != labels:
        raise wrong(f"{at}.calibration.biases", f"there are {labels} labels")
    if cell.confusion is None:
        return
    counted = [[0] * (labels + 1) for _ in range(labels)]
    for label, said in zip(about.label_ids, cell.predictions, strict=True):
        counted[label][labels if said is None else said] += 1
    if cell.confusion != counted:
        raise wrong(f"{at}.confusion", "it does not count the predictions by label id")
