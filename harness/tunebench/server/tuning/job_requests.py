"""What a fine-tuning request may hold, and the plan that follows from it."""

import re
import secrets
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

BASE_LEARNING_RATE = 1e-3
"""What a ``learning_rate_multiplier`` of 1 means for LoRA."""

_DEFAULTS = {"n_epochs": 4, "batch_size": 8, "learning_rate_multiplier": 1.0}
_MOST = {"n_epochs": 100, "batch_size": 512, "learning_rate_multiplier": 1000.0}


@dataclass(frozen=True)
class Plan:
    """All that a training's result follows from, the files' contents and the model apart.

    Attributes:
        lora_layers: how many of the uppermost layers are adapted; None is a third of them.
        max_tokens: of a prompt, the last ones; what the tokenizer puts first stays.
        positive_class: the completion for which precision, recall, F1, AUROC and AUPRC are told.
    """

    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    seed: int
    lora_rank: int = 8
    lora_alpha: float = 16.0
    lora_dropout: float = 0.0
    lora_layers: int | None = None
    max_tokens: int = 256
    positive_class: str | None = None

    @property
    def learning_rate(self) -> float:
        """AdamW's."""
        return BASE_LEARNING_RATE * self.learning_rate_multiplier


def _check_hyperparameters(given: Any) -> Any:
    if given is None:
        return None
    if not isinstance(given, dict):
        raise ValueError("is not a JSON object")
    for name, value in given.items():
        if name not in _DEFAULTS:
            raise ValueError(f"holds {str(name)[:40]}, which is not known here; leave it out")
        whole = name != "learning_rate_multiplier"
        kinds = (int,) if whole else (int, float)
        if value in (None, "auto"):
            continue
        number = isinstance(value, kinds) and not isinstance(value, bool)
        if not (number and 0 < value <= _MOST[name]):  # which NaN isn't either
            kind = "a whole number from 1" if whole else "a number above 0 and"
            raise ValueError(f"gives {name} {value!s:.40}; it must be {kind} up to {_MOST[name]}")
    return given


def _check_method(given: Any) -> Any:
    if given is None:
        return None
    if not isinstance(given, dict) or given.get("type") != "supervised":
        raise ValueError("is not of the type supervised, the only one here")
    inner = {} if given.get("supervised") is None else given["supervised"]
    if set(given) - {"type", "supervised"} or not isinstance(inner, dict):
        raise ValueError("may hold type and supervised alone")
    if set(inner) - {"hyperparameters"}:
        raise ValueError("may hold hyperparameters alone in supervised")
    _check_hyperparameters(inner.get("hyperparameters"))
    return given


def _check_metadata(given: dict[str, str] | None) -> dict[str, str] | None:
    if given and len(given) > 16:
        raise ValueError(f"holds {len(given)} keys, more than 16")
    for key, value in (given or {}).items():
        if len(key) > 64 or len(value) > 512:
            raise ValueError(f"holds {key[:40]!r}: a key has at most 64 characters, a value 512")
    return given


def _check_suffix(given: str | None) -> str | None:
    if given is not None and not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", given):
        raise ValueError("must be 1 to 64 letters, digits, dots, hyphens or underscores")
    return given


def _refuse_integrations(given: Any) -> None:
    if given:
        raise ValueError("is not supported by this server; leave it out and read the result file")


class JobRequest(BaseModel):
    """Body of ``POST /v1/fine_tuning/jobs``; the last six come through ``extra_body``."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    model: str
    training_file: str
    validation_file: str | None = None
    hyperparameters: Annotated[Any, AfterValidator(_check_hyperparameters)] = None
    method: Annotated[Any, AfterValidator(_check_method)] = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    suffix: Annotated[str | None, AfterValidator(_check_suffix)] = None
    metadata: Annotated[dict[str, str] | None, AfterValidator(_check_metadata)] = None
    integrations: Annotated[Any, AfterValidator(_refuse_integrations)] = None

    lora_rank: Annotated[int, Field(ge=1, le=256)] | None = None
    lora_alpha: Annotated[float, Field(gt=0, le=1024)] | None = None
    lora_dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    lora_layers: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=1 << 20)] | None = None
    classification_positive_class: str | None = None

    @model_validator(mode="after")
    def _one_place_for_hyperparameters(self) -> Self:
        if self.hyperparameters and self._of_method() not in ({}, self.hyperparameters):
            raise ValueError(
                "hyperparameters is given twice and differently; give it in method alone"
            )
        return self

    def _of_method(self) -> dict[str, Any]:
        supervised = (self.method or {}).get("supervised") or {}
        found: dict[str, Any] = supervised.get("hyperparameters") or {}
        return found

    def plan(self) -> Plan:
        """The plan, defaults filled in and a seed drawn if none is given."""
        chosen: dict[str, Any] = dict(_DEFAULTS)
        given = self._of_method() or self.hyperparameters or {}
        chosen |= {name: value for name, value in given.items() if value not in (None, "auto")}
        for name in ("lora_rank", "lora_alpha", "lora_dropout", "lora_layers", "max_tokens"):
            if (value := getattr(self, name)) is not None:
                chosen[name] = value
        return Plan(
            seed=secrets.randbelow(2**31) if self.seed is None else self.seed,
            positive_class=self.classification_positive_class,
            **chosen,
        )


def shown(plan: Plan) -> dict[str, Any]:
    """A plan as the job's ``hyperparameters``, the adapter's own included."""
    found = asdict(plan)
    del found["seed"]
    found["classification_positive_class"] = found.pop("positive_class")
    return found
