"""The tables of an experiment's TOML file."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tunebench.formatting import Keep, ReadingRule
from tunebench.presets import PRESETS, Capability, Endpoint, MaxTokensField, PresetName

DecisionRule = Literal["text", "label_logprobs", "calibrated"]
# Rules that make the requests of another one: both are answered from its cassette.
SHARED_REQUESTS: dict[DecisionRule, DecisionRule] = {"calibrated": "label_logprobs"}
Mode = Literal["point", "confident"]

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
URL = r"^https?://[^/?#]+(/[^?#]*)?$"
CURRENCY = r"^[A-Z]{3}$"

_Name = Annotated[str, Field(pattern=NAME)]
# A part of ids between hyphens, which no other part can be taken for.
_Variant = Annotated[str, Field(pattern=r"^[A-Za-z]\w*$")]
_Seed = Annotated[int, Field(ge=0, lt=2**31)]
_Share = Annotated[float, Field(ge=0, le=1, strict=False)]
_ShareByLabel = Annotated[dict[str, _Share], Field(min_length=1)]
_Pace = Annotated[float, Field(gt=0, strict=False, allow_inf_nan=False)]
_Price = Annotated[float, Field(ge=0, strict=False, allow_inf_nan=False)]


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


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Task(_Table):
    """The task: labelled texts, label names, instruction, and the number of test rows.

    Attributes:
        name: used in paths and reports.
        dataset: the name of the data set, see `tunebench.datasets.load`; a path is relative to the
            experiment file.
        labels: label names; a label's position is its id in the data. A CSV or other table holds
            these names.
        instruction: the first line of the prompt for a model that is not fine-tuned.
        test_size: how many test rows are used, from the first on.
        training_rows: how many training rows are used, from the first on, for worked examples and
            training; all, if left out.
        text_column: the column or feature of the texts; ``text`` if left out.
        label_column: the column or feature of the labels; ``label`` if left out.
        group_column: the column or feature of the groups: what texts have in common that must not
            be on both sides of the split, such as an author, a thread or a product. Intervals then
            count groups. Without it, each text is on its own.
        test_dataset: a file of test rows; if left out, the data set's own, or a share held out.
        test_share: the share of the texts, or of the groups, that is held out if no test rows are
            given.
        overlap: what happens to training rows whose text or group is also among given test rows:
            ``refuse`` is an error, ``move`` removes them from the training rows.
        seed: seed for drawing the worked examples and the texts held out.
        order: the order of a table's rows, of which the first ones are tested or trained on.
            ``file``, the default, keeps the order of the file, so that rows added at its end change
            nothing. ``hash`` orders by a hash of the texts, for a file that is sorted: added rows
            may come among the first ones, but no row changes between test and training.
        max_chars: the most characters of a text; a longer one is cut at a word boundary before
            anything is made of it: prompts, worked examples, training files and rivals. No limit,
            if left out.
        keep: which part of a longer text is kept: its ``start``, the default, or its ``end``.
        max_tokens: the token limit of an answer under the decision rule ``text``; follows from the
            labels if left out.
        reading: the rules that read an answer under the decision rule ``text``, in their order;
            ``exact`` if left out, and all of them in a chat.
    """

    name: _Name
    dataset: str
    labels: Annotated[list[str], Field(max_length=200)]
    instruction: str
    test_size: Annotated[int, Field(ge=1)]
    training_rows: Annotated[int, Field(ge=1)] | None = None
    text_column: str | None = None
    label_column: str | None = None
    group_column: str | None = None
    test_dataset: str | None = None
    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    overlap: Literal["refuse", "move"] = "refuse"
    seed: int = 0
    order: Literal["file", "hash"] | None = None
    max_chars: Annotated[int, Field(ge=1)] | None = None
    keep: Keep | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    reading: Annotated[list[ReadingRule], Field(min_length=1)] | None = None

    def reading_at(self, endpoint: Endpoint) -> tuple[ReadingRule, ...]:
        """The reading rules for an endpoint: those of the file, or the endpoint's default."""
        if self.reading is not None:
            return tuple(self.reading)
        return get_args(ReadingRule) if endpoint == "chat" else ("exact",)


class Provider(_Table):
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
    timeout: Annotated[float, Field(gt=0, strict=False)] = 600.0
    requests_per_minute: _Pace | None = None
    tokens_per_minute: _Pace | None = None

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return urlsplit(self.base_url).hostname in ("127.0.0.1", "localhost", "::1")

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, table: Any) -> Any:
        preset = PRESETS.get(str(table.get("preset"))) if isinstance(table, dict) else None
        return table if preset is None else preset.table() | table


class Prices(_Table):
    """What a model costs: per token, or per hour of a machine.

    Attributes:
        training: price of a million trained tokens, all epochs counted.
        input: price of a million prompt tokens.
        output: price of a million completion tokens.
        per_hour: price of an hour of the machine that answers and trains; instead of the three
            above.
        currency: currency of all of them, three capital letters as ``EUR``.
    """

    training: _Price | None = None
    input: _Price | None = None
    output: _Price | None = None
    per_hour: _Price | None = None
    currency: Annotated[str, Field(pattern=CURRENCY)] = "USD"


class Model(_Table):
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


class EmbeddingRival(_Table):
    """A rival: logistic regression on a model's embeddings of the texts.

    Attributes:
        name: used in results, as ``minilm + logistic regression``, and for its cassette.
        provider: the provider that serves the model, at ``/embeddings``.
        model: the model's name at the provider.
        answers_as: its name in the provider's answers, if that is another.
        parameters: further fields of each request, such as ``dimensions``.
        prices: what it costs; of these `input` or `per_hour` counts.
    """

    name: _Name
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


class FineTuning(_Table):
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
    learning_rate_multiplier: (
        Annotated[float, Field(gt=0, strict=False, allow_inf_nan=False)] | None
    ) = None
    seed: _Seed = 0
    seeds: Annotated[list[_Seed], Field(min_length=1)] | None = None
    decision_rules: Annotated[list[DecisionRule], Field(min_length=1)] | None = None
    name: _Name | None = None
    extra_body: dict[str, Any] = Field(default_factory=dict)
    allow_test_rows: bool = False

    @property
    def first_seed(self) -> int:
        """The first seed, or the only one."""
        return self.seeds[0] if self.seeds else self.seed


class FineTunedModel(_Table):
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
    seed: _Seed | None = None
    id: Annotated[str, Field(min_length=1)] | None = None
    job: Annotated[str, Field(min_length=1)] | None = None


class Selection(_Table):
    """Some cells of the matrix: a key that is left out matches every cell."""

    model: str | None = None
    shots: int | None = None
    train_size: int | None = None
    decision_rule: DecisionRule | None = None
    instruction: str | None = None
    example_draw: int | None = None
    seed: int | None = None


class Skip(Selection):
    """Cells of the matrix that are left out, and why.

    Of the keys but `reason`, one that is left out matches every cell.

    Attributes:
        model: the model of the cells.
        shots: their number of worked examples.
        train_size: their training size.
        decision_rule: their decision rule.
        instruction: the name of their instruction.
        example_draw: their draw of worked examples.
        seed: the seed of their training.
        reason: why they are left out; shown with the results.
    """

    reason: Annotated[str, Field(min_length=1)]


class Matrix(_Table):
    """The combinations that are cells, each with each decision rule.

    Attributes:
        shots: numbers of worked examples in the prompt of a model that is not fine-tuned.
        train_sizes: numbers of training rows of the fine-tuned models, whose prompts have no
            worked examples.
        decision_rules: how answers are read.
        instructions: several wordings of the instruction by name, each with each number of shots;
            the task's alone if left out. The name is part of the cells' ids.
        example_draws: several draws of worked examples, where there are shots: draw 0 is the one
            of the task's `seed`, draw 1 that of the next seed, and so on.
        skip: cells that are left out.
    """

    shots: list[Annotated[int, Field(ge=0)]] = Field(default_factory=lambda: [0], min_length=1)
    train_sizes: list[Annotated[int, Field(ge=1)]] = Field(default_factory=list)
    decision_rules: list[DecisionRule] = Field(
        default_factory=lambda: list[DecisionRule](["text"]), min_length=1
    )
    instructions: Annotated[dict[_Variant, str], Field(min_length=1)] | None = None
    example_draws: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] | None = None
    skip: list[Skip] = Field(default_factory=list)


class Calibration(_Table):
    """How the decision rule ``calibrated`` finds the bias of each label.

    Attributes:
        method: ``labelled`` fits the biases to the labels of some training rows, which are asked
            with the prompt of each cell. ``content_free`` needs no labels: it asks with three texts
            that say nothing, and makes the labels equally likely for them.
        rows: how many training rows ``labelled`` takes. They are the same for all cells; none is a
            test row, a worked example of any cell, or trained on by a cell that is calibrated.
    """

    method: Literal["labelled", "content_free"] = "labelled"
    rows: Annotated[int, Field(ge=2)] = 100


class Threshold(Selection):
    """What cells must reach: one limit or more.

    Of the keys that select cells, one that is left out matches every cell; but `shots` without
    `train_size` matches only models that are not fine-tuned.

    Attributes:
        model: the model of the cells.
        shots: their number of worked examples.
        train_size: their training size.
        decision_rule: their decision rule.
        instruction: the name of their instruction.
        example_draw: their draw of worked examples.
        seed: the seed of their training.
        min_accuracy: the least accuracy.
        min_balanced_accuracy: the least balanced accuracy, the mean of the labels' recalls.
        min_macro_f1: the least macro F1, the mean of the labels' F1 scores.
        min_auc: the least area under the ROC curve; for decision rules with probabilities.
        min_recall: by label, the least share of its texts that get it as answer, as
            ``{ Spam = 0.9 }``.
        min_precision: by label, the least share of the answers with it that are right.
        min_uplift: the least uplift over the cell `over`.
        over: the id of that cell, as ``smollm2-135m-1shot``.
        max_cost: the highest cost of 1,000 answers, in the currency of the model's prices.
        max_regression: how far the accuracy may fall below that of the committed baseline.
        mode: ``point`` compares accuracy, uplift, recall and precision with the limit,
            ``confident`` their 95 % intervals. It does not apply to max_cost and max_regression.
            The other scores have no interval that holds for few texts: ``confident`` is an error
            with them.
        xfail: why the cells are expected to fail, as with ``pytest.mark.xfail``: their tests count
            as xfailed, and fail where all limits are reached. An error of a cell fails its test all
            the same.
    """

    min_accuracy: _Share | None = None
    min_balanced_accuracy: _Share | None = None
    min_macro_f1: _Share | None = None
    min_auc: _Share | None = None
    min_recall: _ShareByLabel | None = None
    min_precision: _ShareByLabel | None = None
    min_uplift: Annotated[float, Field(ge=-1, le=1, strict=False)] | None = None
    over: str | None = None
    max_cost: _Price | None = None
    max_regression: _Share | None = None
    mode: Mode = "point"
    xfail: Annotated[str, Field(min_length=1)] | None = None


# What a threshold limits, in the order in which a cell's limits are judged and shown.
LIMITS = tuple(name for name in Threshold.model_fields if name.startswith(("min_", "max_")))


# Limits that are judged as they are: a bootstrap's interval of these scores is too short where few
# texts are wrong, and empty where none is.
POINT_ONLY = ("min_balanced_accuracy", "min_macro_f1", "min_auc")


class AnswerRule(_Table):
    """What the answer asks for.

    Attributes:
        smallest_gain: the least gain in accuracy over every prompt and rival for which fine-tuning
            is worth it, a share: 0.02 are two points of a hundred.
    """

    smallest_gain: Annotated[float, Field(ge=0, lt=1, strict=False)] = 0.0


class ExperimentFile(_Table):
    """The whole file."""

    task: Task
    provider: Annotated[dict[_Name, Provider], Field(min_length=1)]
    model: Annotated[list[Model], Field(min_length=1)]
    matrix: Matrix = Matrix()
    fine_tuning: FineTuning = FineTuning()
    fine_tuned: list[FineTunedModel] = Field(default_factory=list)
    calibration: Calibration = Calibration()
    answer: AnswerRule = AnswerRule()
    threshold: list[Threshold] = Field(default_factory=list)
    rival: list[EmbeddingRival] = Field(default_factory=list)
