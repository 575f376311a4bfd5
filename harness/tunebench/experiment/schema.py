"""The tables of an experiment's TOML file: the task, the matrix, the limits, and the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import Field

from tunebench.experiment.fields import (
    DecisionRule,
    Mode,
    Name,
    Price,
    Share,
    ShareByLabel,
    Table,
    Variant,
)
from tunebench.experiment.models import (
    EmbeddingRival,
    FineTunedModel,
    FineTuning,
    Model,
    Provider,
)
from tunebench.formatting import Keep, ReadingRule

if TYPE_CHECKING:
    from tunebench.presets import Endpoint


class Task(Table):
    """The task: labelled texts, label names, instruction, and the number of test rows.

    Attributes:
        name: used in paths and reports.
        dataset: the name of the data set, see `tunebench.datasets.load`; a path is relative to the
            experiment file, and ``*`` in it reads several files as one.
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
            if left out. ``tunebench doctor`` with ``--max-tokens-in`` finds it for a number of
            tokens.
        keep: which part of a longer text is kept: its ``start``, the default, or its ``end``.
        max_tokens: the token limit of an answer under the decision rule ``text``; follows from the
            labels if left out.
        reading: the rules that read an answer under the decision rule ``text``, in their order;
            ``exact`` if left out, and all of them in a chat.
    """

    name: Name
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


class Selection(Table):
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


class Matrix(Table):
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
    instructions: Annotated[dict[Variant, str], Field(min_length=1)] | None = None
    example_draws: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] | None = None
    skip: list[Skip] = Field(default_factory=list)


class Calibration(Table):
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
        min_auc: the least area under the ROC curve; an error for cells whose decision rule has no
            probabilities, as ``text``.
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

    min_accuracy: Share | None = None
    min_balanced_accuracy: Share | None = None
    min_macro_f1: Share | None = None
    min_auc: Share | None = None
    min_recall: ShareByLabel | None = None
    min_precision: ShareByLabel | None = None
    min_uplift: Annotated[float, Field(ge=-1, le=1)] | None = None
    over: str | None = None
    max_cost: Price | None = None
    max_regression: Share | None = None
    mode: Mode = "point"
    xfail: Annotated[str, Field(min_length=1)] | None = None


# What a threshold limits, in the order in which a cell's limits are judged and shown.
LIMITS = tuple(name for name in Threshold.model_fields if name.startswith(("min_", "max_")))


# Limits that are judged as they are: a bootstrap's interval of these scores is too short where few
# texts are wrong, and empty where none is.
POINT_ONLY = ("min_balanced_accuracy", "min_macro_f1", "min_auc")


class AnswerRule(Table):
    """What the answer asks for.

    Attributes:
        smallest_gain: the least gain in accuracy over every prompt and rival for which fine-tuning
            is worth it, a share: 0.02 are two points of a hundred.
    """

    smallest_gain: Annotated[float, Field(ge=0, lt=1)] = 0.0


class ExperimentFile(Table):
    """The whole file."""

    task: Task
    provider: Annotated[dict[Name, Provider], Field(min_length=1)]
    model: Annotated[list[Model], Field(min_length=1)]
    matrix: Matrix = Matrix()
    fine_tuning: FineTuning = FineTuning()
    fine_tuned: list[FineTunedModel] = Field(default_factory=list)
    calibration: Calibration = Calibration()
    answer: AnswerRule = AnswerRule()
    threshold: list[Threshold] = Field(default_factory=list)
    rival: list[EmbeddingRival] = Field(default_factory=list)
