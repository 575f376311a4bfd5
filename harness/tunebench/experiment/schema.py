"""The tables of an experiment's TOML file."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tunebench.formatting import ReadingRule
from tunebench.presets import PRESETS, Capability, Endpoint, MaxTokensField, PresetName

DecisionRule = Literal["text", "label_logprobs"]
Mode = Literal["point", "confident"]

_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
_Share = Annotated[float, Field(ge=0, le=1, strict=False)]
_Pace = Annotated[float, Field(gt=0, strict=False, allow_inf_nan=False)]
_Price = Annotated[float, Field(ge=0, strict=False, allow_inf_nan=False)]


# Other fields of a request would change what is asked, or what an answer looks like.
_NO_PARAMETERS = {"model", "prompt", "messages", "n", "best_of", "stream", "echo"}
# The decision rule sets them, and its reading of an answer rests on them.
_OF_RULES = {"logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "stop"}
# What the rule sets, too, and a model or provider may need otherwise: the greatest and least value.
_OVERRIDABLE = {"temperature": (0, 100), "top_logprobs": (2, 20)}


def _check_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    if wrong := sorted((_NO_PARAMETERS | _OF_RULES) & parameters.keys()):
        limit = "; limit the tokens of an answer by max_tokens in [task]"
        raise PydanticCustomError(
            "parameters",
            "{wrong} cannot be set, as answers are then read wrongly{more}",
            {
                "wrong": ", ".join(wrong),
                "more": limit if any("max" in name for name in wrong) else "",
            },
        )
    for name, (least, most) in _OVERRIDABLE.items():
        value = parameters.get(name, least)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not (least <= value <= most)
        ):
            raise PydanticCustomError(
                "parameters",
                "{name} must be a number from {least} to {most}",
                {"name": name, "least": least, "most": most},
            )
    return parameters


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Task(_Table):
    """Labelled texts, label names, instruction, and how many texts are asked.

    Attributes:
        name: used in paths and reports.
        dataset: the data set's name, see `tunebench.datasets.load`; a path is relative to the
            experiment file.
        labels: label names; a label's position is its id in the data. The cells of a table hold
            these names.
        instruction: the first line of a prompt for a model as it came.
        test_size: how many test rows are asked, from the first on.
        text_column: the column or feature of the texts; ``text`` if left out.
        label_column: the column or feature of the labels; ``label`` if left out.
        test_dataset: a file of test rows; if left out, the data set's own, or a share held out.
        test_share: the share of the texts that is held out where no test rows are given.
        overlap: with given test rows, whether training rows with the same text are refused or
            moved, that is left to the test rows.
        seed: of the draw of worked examples, and of the texts held out.
        order: of a table's rows, of which the first ones are asked or trained on: ``file``, if left
            out, so that rows added at its end change nothing; or ``hash``, by a hash of the texts,
            for a file that is sorted: rows added to it may come among the first ones, but none
            changes from the test rows to the training rows or back.
        max_tokens: of an answer under the decision rule ``text``; follows from the labels if
            left out.
        reading: by which rules an answer under the decision rule ``text`` is read, in their
            order; ``exact`` if left out, and all of them in a chat.
    """

    name: _Name
    dataset: str
    labels: Annotated[list[str], Field(max_length=200)]
    instruction: str
    test_size: Annotated[int, Field(ge=1)]
    text_column: str | None = None
    label_column: str | None = None
    test_dataset: str | None = None
    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    overlap: Literal["refuse", "move"] = "refuse"
    seed: int = 0
    order: Literal["file", "hash"] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    reading: Annotated[list[ReadingRule], Field(min_length=1)] | None = None

    def reading_at(self, endpoint: Endpoint) -> tuple[ReadingRule, ...]:
        """The reading rules for an endpoint; in a chat all of them, unless the file names some."""
        if self.reading is not None:
            return tuple(self.reading)
        return get_args(ReadingRule) if endpoint == "chat" else ("exact",)


class Provider(_Table):
    """An OpenAI-compatible endpoint.

    Attributes:
        preset: a known provider; what it says of itself fills the keys that are left out.
        base_url: its API root, such as ``http://127.0.0.1:8017/v1``.
        endpoint: the kind of request it is asked with: ``completions``, or ``chat`` for messages.
        max_tokens_field: what a chat's token limit is called; newer models want
            ``max_completion_tokens``.
        api_key_env: the environment variable that holds its key.
        supports: ``lists`` (of prompts in one request), ``logprobs``, ``logit_bias``,
            ``tokenize`` (an endpoint ``/tokenize``), ``fine_tuning`` (OpenAI's API for it). All,
            if neither this key nor a preset says otherwise.
        concurrency: how many requests may be under way at once at the most. A recording begins
            with two, adds more while answers come, and halves them when the provider refuses one
            for its pace (status 429 or 503).
        retries: how often a failed request is sent again while recording. One refused for its
            pace is sent again when the provider says so, uncounted; with 0 nothing is.
        timeout: seconds to wait for one answer.
        requests_per_minute: a limit to keep while recording, whatever the provider tells of its
            own.
        tokens_per_minute: a limit of prompt and completion tokens, likewise.
    """

    preset: PresetName | None = None
    base_url: Annotated[str, Field(pattern=r"^https?://[^/?#]+(/[^?#]*)?$")]
    endpoint: Endpoint = "completions"
    max_tokens_field: MaxTokensField = "max_tokens"
    api_key_env: str | None = None
    supports: list[Capability] = Field(default_factory=lambda: list(get_args(Capability)))
    concurrency: Annotated[int, Field(ge=1, le=64)] = 1
    retries: Annotated[int, Field(ge=0, le=20)] = 2
    timeout: Annotated[float, Field(gt=0, strict=False)] = 600.0
    requests_per_minute: _Pace | None = None
    tokens_per_minute: _Pace | None = None

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, table: Any) -> Any:
        preset = PRESETS.get(str(table.get("preset"))) if isinstance(table, dict) else None
        return table if preset is None else preset.table() | table


class Prices(_Table):
    """What a model costs: by the token, or by the hour of a machine.

    Attributes:
        training: of a million tokens that a fine-tuning job trains on, all epochs counted.
        input: of a million prompt tokens.
        output: of a million completion tokens.
        per_hour: of the machine that answers and trains; instead of the three above.
        currency: of all of them, three capital letters as ``EUR``.
    """

    training: _Price | None = None
    input: _Price | None = None
    output: _Price | None = None
    per_hour: _Price | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"


class Model(_Table):
    """A model of the matrix.

    Attributes:
        name: used in ids and reports.
        provider: the provider it is asked at.
        id: its name at the provider, if another.
        answers_as: the name that the provider's answers give it, if yet another; an answer of any
            other model is refused.
        label_token_ids: the first token's id of each label (behind a space, but not in a chat),
            for the decision rule ``label_logprobs`` where the provider has no ``/tokenize``.
        parameters: further fields of each request, such as ``reasoning_effort``. What the decision
            rule sets cannot be set here, but for ``temperature``, which some models take one of
            only, and ``top_logprobs``, of which some providers show no more than 5: a value that
            differs from the rule's is shown with the results.
        prices: what it costs.
    """

    name: _Name
    provider: str
    id: str | None = None
    answers_as: str | None = None
    label_token_ids: list[int] | None = None
    parameters: Annotated[dict[str, Any], AfterValidator(_check_parameters)] = Field(
        default_factory=dict
    )
    prices: Prices | None = None

    @property
    def provider_id(self) -> str:
        """The model's name at the provider."""
        return self.id or self.name


class FineTuning(_Table):
    """How models are fine-tuned; what is left out is the provider's choice.

    Attributes:
        n_epochs: passes over the training rows.
        batch_size: examples a step.
        learning_rate_multiplier: of the provider's own learning rate.
        seed: of the training.
        extra_body: further fields of the job's request, such as ``lora_rank`` at the local
            provider.
        allow_test_rows: train also on rows whose text stands among the test rows, which makes
            the score worth nothing.
    """

    n_epochs: Annotated[int, Field(ge=1, le=100)] = 4
    batch_size: Annotated[int, Field(ge=1)] | None = None
    learning_rate_multiplier: (
        Annotated[float, Field(gt=0, strict=False, allow_inf_nan=False)] | None
    ) = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    extra_body: dict[str, Any] = Field(default_factory=dict)
    allow_test_rows: bool = False


class Skip(_Table):
    """Cells of the matrix that are left out, and why.

    What is left out of the first four matches every cell.

    Attributes:
        model: of the cells.
        shots: of the cells.
        train_size: of the cells.
        decision_rule: of the cells.
        reason: why they are left out; shown with the results.
    """

    model: str | None = None
    shots: int | None = None
    train_size: int | None = None
    decision_rule: DecisionRule | None = None
    reason: Annotated[str, Field(min_length=1)]


class Matrix(_Table):
    """Which combinations are cells, each read by each decision rule.

    Attributes:
        shots: worked examples in the prompt of a model as it came.
        train_sizes: training rows of the fine-tuned models, which are asked without examples.
        decision_rules: how answers are read.
        skip: cells that are left out.
    """

    shots: list[Annotated[int, Field(ge=0)]] = Field(default_factory=lambda: [0], min_length=1)
    train_sizes: list[Annotated[int, Field(ge=1)]] = Field(default_factory=list)
    decision_rules: list[DecisionRule] = Field(
        default_factory=lambda: list[DecisionRule](["text"]), min_length=1
    )
    skip: list[Skip] = Field(default_factory=list)


class Threshold(_Table):
    """What cells must reach: one limit or more.

    What is left out of the first four matches every cell, but for `shots`: a number of them
    without a `train_size` means models as they came.

    Attributes:
        model: of the cells.
        shots: of the cells.
        train_size: of the cells.
        decision_rule: of the cells.
        min_accuracy: the accuracy to reach.
        min_uplift: the uplift to reach over the cell `over`.
        over: the id of that cell, as ``smollm2-135m-1shot``.
        max_cost: of 1,000 answers, in the currency of the model's prices.
        max_regression: how far the accuracy may fall below the committed baseline's.
        mode: ``point`` compares accuracy and uplift as they are, ``confident`` their 95 %
            intervals. The other two limits have one way each.
    """

    model: str | None = None
    shots: int | None = None
    train_size: int | None = None
    decision_rule: DecisionRule | None = None
    min_accuracy: _Share | None = None
    min_uplift: Annotated[float, Field(ge=-1, le=1, strict=False)] | None = None
    over: str | None = None
    max_cost: _Price | None = None
    max_regression: _Share | None = None
    mode: Mode = "point"


# What a threshold limits, in the order in which a cell's limits are judged and shown.
LIMITS = tuple(name for name in Threshold.model_fields if name.startswith(("min_", "max_")))


class ExperimentFile(_Table):
    """The whole file."""

    task: Task
    provider: Annotated[dict[_Name, Provider], Field(min_length=1)]
    model: Annotated[list[Model], Field(min_length=1)]
    matrix: Matrix = Matrix()
    fine_tuning: FineTuning = FineTuning()
    threshold: list[Threshold] = Field(default_factory=list)
