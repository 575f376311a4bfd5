"""The sections of the page, in their order: to add one, write its module and name it here."""

from tunebench.reports.page.sections import (
    accuracy,
    answer,
    confusion,
    cost,
    errors,
    items,
    jobs,
    provenance,
    sizes,
    uplift,
)

SECTIONS = (
    answer.ANSWER,
    answer.MEASURED,
    accuracy.SECTION,
    uplift.SECTION,
    sizes.SECTION,
    cost.COST,
    cost.TOKENS,
    jobs.SECTION,
    confusion.SECTION,
    items.SECTION,
    provenance.SECTION,
    errors.SECTION,
)

__all__ = ["SECTIONS"]
