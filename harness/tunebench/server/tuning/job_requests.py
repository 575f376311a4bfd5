"""The body of a fine-tuning request, and the training plan that follows from it."""

import secrets
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from tunebench.server.http_errors import wrong_parameter

BASE_LEARNING_RATE = 1e-3
"""The learning rate of a ``learning_rate_multiplier`` of 1, for LoRA."""


@dataclass(frozen=True)
class Plan:
    """Everything that decides a training's result, except the files' contents and the model.

    Attributes:
        lora_layers: how many of the uppermost layers are adapted; None is a third of them.
        max_tokens: a longer prompt keeps its last tokens, and those that the tokenizer puts first;
            None is as many as there is room for.
        positive_class: the completion for which precision, recall, F1, AUROC and AUPRC are
            reported.
    """

    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    seed: int
    lora_rank: int = 8
    lora_alpha: float = 16.0
    lora_dropout: float = 0.0
    lora_layers: int | None = None
    max_tokens: int | None = None
    positive_class: str | None = None

    @property
    def learning_rate(self) -> float:
        """AdamW's."""
        return BASE_LEARNING_RATE * self.learning_rate_multiplier


def _refuse_integrations(given: Any) -> None:
    if given:
        raise ValueError("is not supported here; leave it out and read the result file")


_NULL: dict[str, Any] = {"type": "null"}
_Epochs = Annotated[int, Field(ge=1, le=100)] | None
_BatchSize = Annotated[int, Field(ge=1, le=512)] | None
_Rate = Annotated[float, Field(gt=0, le=1000)] | None


def _auto(form: Any) -> BeforeValidator:
    return BeforeValidator(lambda given: None if given == "auto" else given, Literal["auto"] | form)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Hyperparameters(_Strict):
    """OpenAI's hyperparameters; "auto" and null are the default."""

    n_epochs: Annotated[_Epochs, _auto(_Epochs)] = None
    batch_size: Annotated[_BatchSize, _auto(_BatchSize)] = None
    learning_rate_multiplier: Annotated[_Rate, _auto(_Rate)] = None


class _Supervised(_Strict):
    hyperparameters: Hyperparameters | None = None


class _Method(_Strict):
    type: Literal["supervised"]
    supervised: _Supervised | None = None
    dpo: None = None
    reinforcement: None = None


class JobRequest(_Strict):
    """Body of ``POST /v1/fine_tuning/jobs``; the SDK sends the last six in ``extra_body``."""

    model_config = ConfigDict(
        json_schema_extra={
            # Both, if they are equal, which a schema cannot say.
            "anyOf": [{"properties": {name: _NULL}} for name in ("hyperparameters", "method")]
        }
    )

    model: str
    training_file: str
    validation_file: str | None = None
    hyperparameters: Hyperparameters | None = None
    method: _Method | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    suffix: Annotated[str, Field(pattern="^[A-Za-z0-9._-]{1,64}$")] | None = None
    metadata: (
        Annotated[
            dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
            Field(max_length=16),
        ]
        | None
    ) = None
    integrations: Annotated[
        Any, AfterValidator(_refuse_integrations), WithJsonSchema({"enum": [[], None]})
    ] = None

    lora_rank: Annotated[int, Field(ge=1, le=256)] | None = None
    lora_alpha: Annotated[float, Field(gt=0, le=1024)] | None = None
    lora_dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    lora_layers: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=1 << 20)] | None = None
    classification_positive_class: str | None = None

    @model_validator(mode="after")
    def _hyperparameters_are_given_once(self) -> Self:
        given = self._given()
        if any(one != given[0] for one in given):
            raise wrong_parameter(
                "hyperparameters",
                "is given twice with different values; give it in method only",
            )
        return self

    def _given(self) -> list[dict[str, Any]]:
        supervised = self.method and self.method.supervised
        both = (supervised and supervised.hyperparameters, self.hyperparameters)
        dumped = [one.model_dump(exclude_none=True) for one in both if one]
        return [one for one in dumped if one]

    def plan(self) -> Plan:
        """The plan, with defaults for what is not given and a random seed if there is none."""
        names = ("lora_rank", "lora_alpha", "lora_dropout", "lora_layers", "max_tokens")
        chosen: dict[str, Any] = {"n_epochs": 4, "batch_size": 8, "learning_rate_multiplier": 1.0}
        for given in self._given():
            chosen |= given
        return Plan(
            seed=secrets.randbelow(2**31) if self.seed is None else self.seed,
            positive_class=self.classification_positive_class,
            **chosen | self.model_dump(include=set(names), exclude_none=True),
        )
