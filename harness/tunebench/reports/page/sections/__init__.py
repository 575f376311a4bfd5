"""The sections of the page, in their order: to add one, write its module and name it here."""

from tunebench.reports.page.sections import (
    answer,
    calibration,
    cells,
    confusion,
    cost,
    errors,
    items,
    jobs,
    provenance,
    sizes,
    uplifts,
)

SECTIONS = (
    answer.SECTION,
    errors.SECTION,
    sizes.SECTION,
    cost.SECTION,
    calibration.SECTION,
    items.SECTION,
    jobs.SECTION,
    confusion.SECTION,
    cells.SECTION,
    uplifts.SECTION,
    provenance.SECTION,
)

__all__ = ["SECTIONS"]
