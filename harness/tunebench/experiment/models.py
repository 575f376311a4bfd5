"""The tables of an experiment's TOML file on providers, models, and their training."""

from __future__ import annotations

from typing import Annotated, Any, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from tunebench.experiment.fields import CURRENCY, URL, DecisionRule, Name, Pace, Price, Seed, Table
from tunebench.presets import PRESETS, Capability, Endpoint, MaxTokensField, PresetName

# These would change the prompt, or the form of the answer.
_NO_PARAMETERS = {"model", "prompt", "messages", "n", "best_of", "stream", "echo"}
# The decision rule sets these, and reads the answer accordingly.
_OF_RULES = {"logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "stop"}
# The rule sets these too, but some models and providers need another value: from least to most.
OVERRIDABLE = {"temperature": (0, 100), "top_logprobs": (2, 20)}


def _check_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    if wrong := sorted((_NO_PARAMETERS | _OF_RULES) & parameters.keys()):
        limit = "; to limit the tokens of an answer, set max_tokens in [task]"
        raise PydanticCustomError(
            "parameters",
            "cannot set {wrong}, because answers would then be read wrongly{more}",
            {
                "wrong": ", ".join(wrong),
                "more": limit if any("max" in name for name in wrong) else "",
            },
        )
    for name, (least, most) in OVERRIDABLE.items():
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


class Provider(Table):
    """An OpenAI-compatible endpoint.

    Attributes:
        preset: a known provider, which gives the keys that are left out their values.
        base_url: the API root, such as ``http://127.0.0.1:8017/v1``.
        endpoint: the kind of request: ``completions``, or ``chat`` for messages.
        max_tokens_field: the name of a chat's token limit; newer models need
            ``max_completion_tokens``.
        api_key_env: the environment variable that holds the API key.
        supports: ``lists`` (several prompts in one request), ``logprobs``, ``logit_bias``,
            ``tokenize`` (an endpoint ``/tokenize``), ``fine_tuning`` (OpenAI's fine-tuning API).
            All, if left out and no preset sets it.
        concurrency: the most requests in flight at once. A recording starts with two, adds more
            while answers come, and halves them when the provider answers 429 or 503.
        retries: how often a failed request is sent again while recording. One that was rate
            limited is sent again when the provider allows it and does not count; with 0 no request
            is sent again.
        timeout: seconds to wait for one answer.
        requests_per_minute: a rate limit for recording, besides any that the provider reports.
        tokens_per_minute: the same for prompt and completion tokens.
    """

    preset: PresetName | None = None
    base_url: Annotated[str, Field(pattern=URL)]
    endpoint: Endpoint = "completions"
    max_tokens_field: MaxTokensField = "max_tokens"
    api_key_env: str | None = None
    supports: list[Capability] = Field(default_factory=lambda: list(get_args(Capability)))
    concurrency: Annotated[int, Field(ge=1, le=64)] = 1
    retries: Annotated[int, Field(ge=0, le=20)] = 2
    timeout: Annotated[float, Field(gt=0)] = 600.0
    requests_per_minute: Pace | None = None
    tokens_per_minute: Pace | None = None

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return urlsplit(self.base_url).hostname in ("127.0.0.1", "localhost", "::1")

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, table: Any) -> Any:
        preset = PRESETS.get(str(table.get("preset"))) if isinstance(table, dict) else None
        return table if preset is None else preset.table() | table


class Prices(Table):
    """What a model costs: per token, or per hour of a machine.

    Attributes:
        training: price of a million trained tokens, all epochs counted.
        input: price of a million prompt tokens.
        output: price of a million completion tokens.
        per_hour: price of an hour of the machine that answers and trains; instead of the three
            above.
        currency: currency of all of them, three capital letters as ``EUR``.
    """

    training: Price | None = None
    input: Price | None = None
    output: Price | None = None
    per_hour: Price | None = None
    currency: Annotated[str, Field(pattern=CURRENCY)] = "USD"


class Model(Table):
    """A model of the matrix.

    Attributes:
        name: used in ids and reports.
        provider: the provider that serves it.
        id: its name at the provider, if that is another.
        answers_as: its name in the provider's answers, if that is yet another; an answer of any
            other model is an error.
        label_token_ids: the id of each label's first token (after a space, but not in a chat), for
            the decision rules ``label_logprobs`` and ``calibrated`` if the provider has no
            ``/tokenize``.
        parameters: further fields of each request, such as ``reasoning_effort``. Fields that the
            decision rule sets are refused, except ``temperature``, because some models accept one
            value only, and ``top_logprobs``, because some providers return 5 at most: a value other
            than the rule's is shown with the results.
        prices: what it costs.
    """

    name: Name
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


# These would change the texts.
_NO_EMBEDDING_PARAMETERS = {"input", "model", "stream"}


def _check_embedding_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    if wrong := sorted(_NO_EMBEDDING_PARAMETERS & parameters.keys()):
        raise PydanticCustomError(
            "parameters",
            "cannot set {wrong}, which the request for embeddings sets itself",
            {"wrong": ", ".join(wrong)},
        )
    return parameters


class EmbeddingRival(Table):
    """A rival: logistic regression on a model's embeddings of the texts.

    Attributes:
        name: used in results, as ``minilm + logistic regression``, and for its cassette.
        provider: the provider that serves the model, at ``/embeddings``.
        model: the model's name at the provider.
        answers_as: its name in the provider's answers, if that is another.
        parameters: further fields of each request, such as ``dimensions``.
        prices: what it costs; of these `input` or `per_hour` counts.
    """

    name: Name
    provider: str
    model: Annotated[str, Field(min_length=1)]
    answers_as: str | None = None
    parameters: Annotated[dict[str, Any], AfterValidator(_check_embedding_parameters)] = Field(
        default_factory=dict
    )
    prices: Prices | None = None

    @property
    def full_name(self) -> str:
        """Its name in results."""
        return f"{self.name} + logistic regression"


class FineTuning(Table):
    """Hyperparameters of fine-tuning; the provider chooses those that are left out.

    Attributes:
        n_epochs: passes over the training rows.
        batch_size: examples per step.
        learning_rate_multiplier: factor for the provider's default learning rate.
        seed: seed of the training.
        seeds: several of them instead of `seed`: a job and a cell for each, so that results show
            what a training's luck is worth.
        decision_rules: how answers of fine-tuned models are read; as in ``[matrix]`` if left out.
        name: the name that jobs and their files have at the provider; the experiment's if left
            out. Experiments that share it, and train on the same rows in the same way, share the
            models.
        extra_body: further fields of the job's request, such as ``lora_rank`` at the local
            provider.
        allow_test_rows: train also on rows whose text is a test row, which makes the score
            meaningless.
    """

    n_epochs: Annotated[int, Field(ge=1, le=100)] = 4
    batch_size: Annotated[int, Field(ge=1)] | None = None
    learning_rate_multiplier: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    seed: Seed = 0
    seeds: Annotated[list[Seed], Field(min_length=1)] | None = None
    decision_rules: Annotated[list[DecisionRule], Field(min_length=1)] | None = None
    name: Name | None = None
    extra_body: dict[str, Any] = Field(default_factory=dict)
    allow_test_rows: bool = False

    @property
    def first_seed(self) -> int:
        """The first seed, or the only one."""
        return self.seeds[0] if self.seeds else self.seed


class FineTunedModel(Table):
    """A model that is fine-tuned already: the cells that it is for are asked without training.

    At least one of `id` and `job` is needed. With `id` the provider needs no fine-tuning API.

    Attributes:
        model: the name of the model of the cells, a ``[[model]]``.
        train_size: their training size.
        seed: the seed of their training, needed where ``[fine_tuning]`` has several.
        id: the fine-tuned model's name at the provider, as ``ft:…``.
        job: the id of the job that made it, as ``ftjob-…``. Without `id` the job is read at the
            provider, and recorded; with it, it is only shown.
    """

    model: str
    train_size: Annotated[int, Field(ge=1)]
    seed: Seed | None = None
    id: Annotated[str, Field(min_length=1)] | None = None
    job: Annotated[str, Field(min_length=1)] | None = None
