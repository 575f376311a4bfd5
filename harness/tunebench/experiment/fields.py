"""What the tables of an experiment's TOML file have in common: names, numbers, their base."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from tunebench.errors import ExperimentError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

DecisionRule = Literal["text", "label_logprobs", "calibrated"]
# Rules that make the requests of another one: both are answered from its cassette.
SHARED_REQUESTS: dict[DecisionRule, DecisionRule] = {"calibrated": "label_logprobs"}
# Rules that know no probabilities: no AUC follows from their answers.
WITHOUT_PROBABILITIES: tuple[DecisionRule, ...] = ("text",)
Mode = Literal["point", "confident"]

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
URL = r"^https?://[^/?#]+(/[^?#]*)?$"
CURRENCY = r"^[A-Z]{3}$"
VARIANT = r"^[A-Za-z]\w*$"

Name = Annotated[str, Field(pattern=NAME)]
# A part of ids between hyphens, which no other part can be taken for.
Variant = Annotated[str, Field(pattern=VARIANT)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Share = Annotated[float, Field(ge=0, le=1)]
ShareByLabel = Annotated[dict[str, Share], Field(min_length=1)]
Pace = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Table(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


def unknown(kind: str, name: str, known: Iterable[str], where: str) -> ExperimentError:
    """The error of a name that the file does not define."""
    return ExperimentError(
        f"there is no {kind} {name!r}", where=where, hint=did_you_mean(name, known)
    )
