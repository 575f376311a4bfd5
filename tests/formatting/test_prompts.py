from collections.abc import Sequence

import pandas as pd
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tunebench.errors import ExperimentError
from tunebench.formatting.prompts import (
    AnswerFormat,
    Example,
    bare_prompt,
    check_labels,
    draw_examples,
    few_shot_prompt,
)

INSTRUCTION = "Classify following sentence as Positive or Negative"

# Pieces that a careless format would stumble over, among any characters at all.
pieces = st.sampled_from(
    ["\n", "#####", "\\#####", "\n#####\n", " ->", " -> ", " -> Positive", "\\", '"', "🙂", "\r\n"]
)
any_text = st.lists(pieces | st.text(st.characters(), max_size=8), max_size=6).map("".join)
any_examples = st.lists(st.tuples(any_text, st.sampled_from(["Negative", "Positive"])), max_size=3)


def prompt_of(examples: Sequence[tuple[str, str]], text: str) -> str:
    return few_shot_prompt(
        INSTRUCTION, [Example(str(i), *example) for i, example in enumerate(examples)], text
    )


def parse(prompt: str) -> tuple[list[tuple[str, str]], str]:
    """Read a prompt back, by nothing but the format's description."""
    head = INSTRUCTION + "\n#####\n"
    assert prompt.startswith(head)
    blocks: list[list[str]] = [[]]
    for line in prompt.removeprefix(head).split("\n"):
        if line == "#####":
            blocks.append([])
        else:
            blocks[-1].append(line)
    *shown, asked = ("\n".join(block) for block in blocks)
    assert asked.endswith(" ->")
    examples = [block.rpartition(" -> ") for block in shown]
    return [(unescape(t), label) for t, _, label in examples], unescape(asked.removesuffix(" ->"))


def unescape(text: str) -> str:
    return "\n".join(
        line[1:] if line.startswith("\\") and line.lstrip("\\") == "#####" else line
        for line in text.split("\n")
    )


def test_a_zero_shot_prompt_to_the_byte() -> None:
    assert few_shot_prompt(INSTRUCTION, [], "A fine film.") == (
        "Classify following sentence as Positive or Negative\n#####\nA fine film. ->"
    )


def test_a_one_shot_prompt_to_the_byte() -> None:
    assert prompt_of([("Dull.", "Negative")], "A fine film.") == (
        "Classify following sentence as Positive or Negative\n"
        "#####\n"
        "Dull. -> Negative\n"
        "#####\n"
        "A fine film. ->"
    )


def test_a_two_shot_prompt_to_the_byte() -> None:
    assert prompt_of([("Dull.", "Negative"), ("Oh\nyes!", "Positive")], "A fine film.") == (
        "Classify following sentence as Positive or Negative\n"
        "#####\n"
        "Dull. -> Negative\n"
        "#####\n"
        "Oh\nyes! -> Positive\n"
        "#####\n"
        "A fine film. ->"
    )


def test_the_prompt_of_a_fine_tuned_model_is_the_text_and_the_arrow() -> None:
    assert bare_prompt("A fine film.\n#####\n") == "A fine film.\n#####\n ->"


def test_a_separator_in_a_text_is_escaped_where_it_fills_a_line() -> None:
    assert prompt_of([], "a\n#####\n\\#####\n ##### b#####").removeprefix(INSTRUCTION) == (
        "\n#####\na\n\\#####\n\\\\#####\n ##### b##### ->"
    )


@given(examples=any_examples, text=any_text)
@example(examples=[("", "Negative")], text="")
@example(examples=[("#####", "Positive")], text="#####\n#####")
@example(examples=[], text="a -> Positive\n#####\nb")
@example(examples=[("a -> Negative\n#####\nb", "Positive")], text="\\#####")
@example(examples=[("\ud800", "Positive")], text="\udfff\n")
def test_any_texts_can_be_read_back_from_a_prompt(
    examples: list[tuple[str, str]], text: str
) -> None:
    assert parse(prompt_of(examples, text)) == (examples, text)


@given(left=st.tuples(any_examples, any_text), right=st.tuples(any_examples, any_text))
@example(left=([], "a -> Positive\n#####\nb"), right=([("a", "Positive")], "b"))
@example(left=([], "#####"), right=([], "\\#####"))
def test_no_two_different_contents_give_the_same_prompt(
    left: tuple[list[tuple[str, str]], str], right: tuple[list[tuple[str, str]], str]
) -> None:
    assert (prompt_of(*left) == prompt_of(*right)) == (left == right)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([], "two labels or more"),
        (["Positive"], "two labels or more"),
        (["a", "b", "a"], "'a' is listed twice"),
        (["a", ""], "'' cannot be used"),
        (["a", " b"], "white space around it"),
        (["a", "b\n"], "white space around it"),
        (["a", "b\nc"], "no line break"),
        (["a", "b\tc"], "no tab"),
        (["a", "b -> c"], "no '->'"),
        (["a", "\u200b"], "'\\\\u200b' cannot be used"),
        (["spam", "spam\u200b"], r"'spam' and 'spam\\u200b' differ only by"),
        (["ham", "spam", "\ufeffspam"], r"'spam' and '\\ufeffspam' differ only by"),
        (["Caf\u00e9", "Cafe\u0301"], r"'Caf\\xe9' and 'Cafe\\u0301' differ only by"),
        (["\ud55c", "\u1112\u1161\u11ab"], r"'\\ud55c' and '\\u1112\\u1161\\u11ab' differ only"),
        (["posi\u00adtive", "positive"], r"'posi\\xadtive' and 'positive' differ only by"),
        (["\u2764", "\u2764\ufe0f"], r"'\u2764' and '\u2764\\ufe0f' differ only by"),
        (["not good", "not\u00a0good"], r"'not good' and 'not\\xa0good' differ only by"),
        (["not good", "not\u2003good"], r"'not good' and 'not\\u2003good' differ only by"),
        (["a", "\u202ba\u202c"], r"'a' and '\\u202ba\\u202c' differ only by"),
        (["\uff21", "A"], r"'\\uff21' and 'A' differ only by"),
        (["sci-fi", "sci\u2011fi"], r"'sci-fi' and 'sci\\u2011fi' differ only by"),
        (["don't", "don\u2019t"], "differ only by"),
        (["-1", "\u22121"], r"'-1' and '\\u22121' differ only by"),
        (["a", "a\x08"], r"'a' and 'a\\x08' differ only by"),
        (["very good", "verygood"], "'very good' and 'verygood' differ only by case, spaces"),
        (["Positive", "positive"], "'Positive' and 'positive' differ only by case"),
        (["Straße", "STRASSE"], "'Straße' and 'STRASSE' differ only by case"),
    ],
)
def test_labels_that_no_prompt_can_carry_are_refused(labels: list[str], said: str) -> None:
    with pytest.raises(ExperimentError, match=said):
        check_labels(labels, INSTRUCTION)


@pytest.mark.parametrize(
    "labels",
    [
        ["می\u200cخواهم", "نمی\u200cخواهم"],  # a word's own joiners
        ["\u2764\ufe0f", "\U0001f44d\ufe0f"],
        ["Cafe\u0301", "Bar\u00a0Sol"],
        ["m\u00b2", "m2"],
        ["\u0660", "0"],
    ],
)
def test_labels_that_look_different_are_accepted(labels: list[str]) -> None:
    check_labels(labels, INSTRUCTION)


@pytest.mark.parametrize("instruction", ["#####", "a\n#####\nb", "a\n\\#####"])
def test_an_instruction_with_the_separator_in_it_is_refused(instruction: str) -> None:
    with pytest.raises(ExperimentError, match="the instruction holds a line '#####'"):
        check_labels(["a", "b"], instruction)


@pytest.mark.parametrize("instruction", ["", INSTRUCTION, "two\nlines", "a ##### b", "-> a"])
def test_other_instructions_are_accepted(instruction: str) -> None:
    check_labels(["a", "b"], instruction)


# Few letters and many spaces, so that endings, stems and whole labels run into each other.
_close_words = st.text("abe ", min_size=1, max_size=6)
_words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@st.composite
def label_sets(draw: st.DrawFn) -> list[str]:
    """Any labels that `check_labels` accepts, with and without a common ending."""
    words = draw(st.sampled_from([_close_words, _words]))
    ending = draw(st.just("") | words)
    stems = draw(st.lists(words, min_size=2, max_size=4))
    labels = [(stem + ending).strip() for stem in stems]
    try:
        check_labels(labels, INSTRUCTION)
    except ExperimentError:
        assume(False)
    return labels


@given(labels=label_sets())
@example(labels=["Negative", "Positive"])
@example(labels=["not a good film", "a very good film"])
@example(labels=["ba a", "c a"])
@example(labels=["xe n", "x ene n"])
@example(labels=["good", "very good"])
@example(labels=["tive", "Positive"])
def test_every_label_is_read_from_its_completion(labels: list[str]) -> None:
    answers = AnswerFormat.of(labels)
    for label_id, label in enumerate(labels):
        whole = answers.completion(label)
        assert answers.read(whole) == label_id
        assert answers.read(whole + "\n") == label_id
        (stop,) = answers.stop
        assert answers.read(whole.split(stop)[0]) == label_id


@given(labels=label_sets())
@example(labels=["tive", "Positive"])
def test_an_empty_answer_is_never_a_label(labels: list[str]) -> None:
    answers = AnswerFormat.of(labels)
    assert [answers.read(said) for said in ("", " ", "\n", " \n")] == [None] * 4


@given(labels=label_sets(), answer=st.text(st.characters(), max_size=8))
def test_no_other_answer_is_a_label(labels: list[str], answer: str) -> None:
    answers = AnswerFormat.of(labels)
    label_id = answers.read(answer)
    if label_id is not None:
        said = answer.replace(" ", "").strip("\r\n\t")
        ending = answers.ending.replace(" ", "")
        assert labels[label_id].replace(" ", "") in (said, said + ending)


def test_the_parameters_of_negative_and_positive_are_the_articles() -> None:
    answers = AnswerFormat.of(["Negative", "Positive"])
    assert answers.stop == ["tive"]
    assert answers.max_tokens([1, 1]) == 1
    assert [answers.read(said) for said in (" Posi", "Nega", " Positive", "posi", " Posit")] == [
        1,
        0,
        1,
        None,
        None,
    ]


def test_labels_without_a_common_ending_stop_at_the_end_of_the_line() -> None:
    answers = AnswerFormat.of(["yes", "no"])
    assert (answers.ending, answers.stop) == ("", ["\n"])


@pytest.mark.parametrize(
    ("labels", "ending"),
    [
        (["very good", "very bad"], "d"),
        (["sad film", "good film"], "d film"),
        (["bad film", "fine film"], "film"),  # a stop never begins with a space
        (["good", "very good"], "ood"),  # of each label a stem remains
        (["10", "20"], ""),  # "100" would be stopped at its first 0 and be the label 10
        (["0.5", "1.5"], ""),
        (["a-1", "b-1"], ""),
        (["10%", "20%"], "%"),
        (["grade 1 film", "grade 2 film"], "film"),
        (["tata", "nota"], ""),  # " tata" would be stopped at its first "ta" or "a"
    ],
)
def test_the_ending_leaves_a_stem_and_stops_no_label_early(labels: list[str], ending: str) -> None:
    assert AnswerFormat.of(labels).ending == ending


@given(labels=label_sets())
def test_without_a_tokenizer_an_answer_may_be_as_long_as_the_longest_label(
    labels: list[str],
) -> None:
    longest = max(len(f" {label}".encode()) for label in labels)
    assert AnswerFormat.of(labels).max_tokens() == longest


@pytest.mark.parametrize(
    ("labels", "token", "label_id"),
    [
        (["Negative", "Positive"], " Pos", 1),
        (["Negative", "Positive"], " Negative", 0),
        (["Negative", "Positive"], " Posh", None),
        (["Negative", "Positive"], "", None),
        (["Negative", "Positive"], " ", None),
        (["Negative", "Neutral"], " Ne", None),
        (["Negative", "Neutral"], " Neg", 0),
        (["good", "goodish"], " good", 0),
        (["good", "goodish"], " goo", None),
    ],
)
def test_a_token_stands_for_the_one_label_that_it_begins(
    labels: list[str], token: str, label_id: int | None
) -> None:
    assert AnswerFormat.of(labels).label_of_token(token) == label_id


def rows_of(labels: Sequence[int], *, first: int = 0) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "item": [f"train-{first + i}" for i in range(len(labels))],
            "text": [f"text {first + i}" for i in range(len(labels))],
            "label": pd.Series(list(labels), dtype="int64"),
        }
    )


def draw(
    train: pd.DataFrame, shots: int, *, seed: int = 0, names: str = "abc", test: Sequence[str] = ()
) -> tuple[Example, ...]:
    return draw_examples(train, list(names), shots, seed=seed, test_texts=test)


BALANCED = rows_of([0, 1, 2] * 20)
shots_drawn = st.integers(0, 12)
seeds = st.integers()


@given(shots=shots_drawn, seed=seeds)
def test_classes_differ_by_at_most_one_example(shots: int, seed: int) -> None:
    drawn = [one.label for one in draw(BALANCED, shots, seed=seed)]
    counts = [drawn.count(label) for label in "abc"]
    assert sum(counts) == shots
    assert max(counts) - min(counts) <= 1


@given(shots=st.integers(1, 12), seed=seeds)
def test_a_draw_begins_with_the_draw_of_one_less(shots: int, seed: int) -> None:
    assert draw(BALANCED, shots, seed=seed)[:-1] == draw(BALANCED, shots - 1, seed=seed)


@given(seed=seeds, order=st.permutations(range(len(BALANCED))))
def test_the_order_of_the_rows_does_not_matter(seed: int, order: list[int]) -> None:
    assert draw(BALANCED.iloc[order], 5, seed=seed) == draw(BALANCED, 5, seed=seed)


@given(shots=shots_drawn, seed=seeds)
def test_examples_are_training_rows_as_they_stand(shots: int, seed: int) -> None:
    rows = BALANCED.set_index("item")
    for drawn in draw(BALANCED, shots, seed=seed):
        assert drawn.text == rows.loc[drawn.item, "text"]
        assert drawn.label == "abc"[rows.loc[drawn.item, "label"]]


@given(shots=shots_drawn, seed=seeds, asked=st.sets(st.integers(0, 59), max_size=40))
def test_no_example_is_a_test_text(shots: int, seed: int, asked: set[int]) -> None:
    test = [f"text {i}" for i in asked]
    try:
        drawn = draw(BALANCED, shots, seed=seed, test=test)
    except ExperimentError:
        left = [label for i, label in enumerate(BALANCED["label"]) if i not in asked]
        assert min(left.count(label) for label in range(3)) * 3 < shots
    else:
        assert not {example.text for example in drawn} & set(test)


@given(shots=shots_drawn, seed=seeds, more=st.lists(st.integers(0, 2), max_size=20))
def test_rows_added_later_put_themselves_in_and_no_other_row(
    shots: int, seed: int, more: list[int]
) -> None:
    before = {example.item for example in draw(BALANCED, shots, seed=seed)}
    added = rows_of(more, first=len(BALANCED))
    after = {example.item for example in draw(pd.concat([BALANCED, added]), shots, seed=seed)}
    assert after - before <= set(added["item"])


def test_another_seed_gives_another_draw() -> None:
    assert len({draw(BALANCED, 3, seed=seed) for seed in range(20)}) == 20


def test_a_text_that_stands_twice_is_drawn_once() -> None:
    train = rows_of([0, 0, 0, 1, 1, 1])
    train["text"] = ["same", "same", "other", "x", "y", "z"]
    drawn = draw(train, 4, names="ab")
    assert len({example.text for example in drawn}) == 4


def test_too_few_rows_of_a_class_are_named() -> None:
    with pytest.raises(ExperimentError, match="only 1 usable of 'b'; use fewer"):
        draw(rows_of([0] * 9 + [1]), 4, names="ab")


def test_no_shots_need_no_rows() -> None:
    assert draw(rows_of([]), 0) == ()
