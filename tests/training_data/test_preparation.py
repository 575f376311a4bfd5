from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tunebench.errors import DatasetError
from tunebench.formatting import Rates
from tunebench.training_data import analysis, preparation, steps
from tunebench.training_data.report import summarise
from tunebench.training_data.rows import Rows
from tunebench.training_data.steps import Settings

FILE = Path("f.jsonl")


def rows_of(pairs):
    prompts, completions = [prompt for prompt, _ in pairs], [completion for _, completion in pairs]
    return Rows(prompts, completions, list(range(1, len(pairs) + 1)))


def pairs_of(rows):
    return list(zip(rows.prompts, rows.completions, strict=True))


def prepared(pairs, accept=lambda _: True, **options):
    rows = rows_of(pairs)
    done = preparation.prepare(FILE, rows, Settings(**options), accept)
    return pairs_of(rows), [proposal.step for proposal in done]


def reviews(n=12, text="{i} fine", labels=("good", "bad")):
    return [(text.format(i=i), labels[i % len(labels)]) for i in range(n)]


# Letters, marks and words that the steps look for, so that they meet in one file.
pieces = st.sampled_from(
    [" ->", "->", "\n\n###\n\n", "\n", " ", ".", "a", "B", "É", "𝐀", "ß", "label: ", " END"]
) | st.sampled_from(["Say how this is meant: ", "x" * 5001])
texts = st.lists(pieces, max_size=5).map("".join) | st.text(max_size=5)
classes = st.lists(texts, min_size=1, max_size=3).flatmap(st.sampled_from)
files = st.lists(st.tuples(texts, classes | texts), min_size=1, max_size=12)


@settings(max_examples=300)
@given(pairs=files | st.lists(st.tuples(texts, st.sampled_from(["a", " a", "B"])), min_size=4))
@example(pairs=[("a", "x.y."), ("b", ".")])
@example(pairs=[("x" * 9998 + str(i), "ab"[i % 2]) for i in range(8)])
def test_preparing_twice_changes_nothing_the_second_time(pairs):
    try:
        once, _ = prepared(pairs)
    except DatasetError:
        return
    assert prepared(once) == (once, [])


@given(pairs=files, declined=st.sets(st.integers(0, 12)))
def test_no_answers_keep_it_from_ending(pairs, declined):
    asked = []

    def accept(proposal):
        asked.append(proposal.step)
        return len(asked) not in declined

    try:
        prepared(pairs, accept)
    except DatasetError:
        return
    assert len(asked) < 60


def test_classes_that_look_alike_are_refused_with_their_lines():
    with pytest.raises(DatasetError) as raised:
        prepared(reviews(labels=("good", "bad", "go\u00adod")))
    assert str(raised.value) == (
        "f.jsonl: the completions ' good' (line 1) and ' go\\xadod' (line 3) differ only by "
        "spaces, invisible characters or how a letter is encoded; write them alike, or give --task "
        "generation if they are not classes."
    )
    assert prepared(reviews(labels=("good", "bad", "go\u00adod")), task="generation")
    assert prepared(reviews(labels=("go\u00adod", "bad\ufe0f")))


def test_a_declined_proposal_is_not_made_again():
    asked = []

    def accept(proposal):
        asked.append(proposal.step)
        return proposal.step != "separator"

    pairs, steps = prepared(reviews(), accept)
    assert pairs[0] == ("0 fine", " good")
    assert asked.count("separator") == 1
    assert steps == ["leading_space"]


@pytest.mark.parametrize("ending", [".", "!", ' the end"', " 5", ") ", " ", "ж"])
def test_the_end_of_a_sentence_is_not_a_separator(ending):
    pairs, steps = prepared(reviews(text="{i} fine" + ending))
    assert "separator" in steps
    assert pairs[0][0] == f"0 fine{ending} ->"


@pytest.mark.parametrize("ending", [" ->", "\n\n###\n\n", "\nAnswer:", " =>", " ]", "\n"])
def test_a_separator_that_is_there_is_kept(ending):
    pairs, steps = prepared(reviews(text="{i} fine" + ending))
    assert "separator" not in steps
    assert pairs[0][0] == f"0 fine{ending}"


def test_a_given_separator_is_added_where_it_is_missing():
    pairs, _ = prepared([("a ##", "x"), ("b", "y"), ("c", "x")] * 3, separator=" ##")
    assert [prompt for prompt, _ in pairs] == ["a ##", "b ##", "c ##"]


def test_duplicates_and_long_rows_together_drop_the_right_rows():
    pairs = [*reviews(6), *reviews(6), ("y" * 10_000, "good"), *reviews(12)]
    rows, steps = prepared(pairs, lambda proposal: proposal.step in ("duplicates", "long"))
    assert rows == reviews(12)
    assert steps == ["duplicates", "long"]


def test_rows_without_a_prompt_are_dropped_not_taught():
    rows, steps = prepared([*reviews(), ("", "good"), (" ->", "bad"), ("odd", " ")])
    assert len(rows) == 12
    assert steps[0] == "empty"


def test_without_any_prompt_it_is_open_ended():
    rows, steps = prepared([("", "a"), ("", "b"), ("", "c"), ("", "")])
    assert rows == [("", " a"), ("", " b"), ("", " c")]
    assert steps == ["empty", "leading_space"]


def test_a_prefix_is_cut_before_a_word_that_all_texts_begin_with():
    pairs, _ = prepared(reviews(text="Say how this is meant: the {i}"))
    assert pairs[0][0] == "0 ->"
    pairs, _ = prepared(reviews(text="Say how this is meant: the{i}"))
    assert pairs[0][0] == "the0 ->"


def test_a_prefix_is_kept_when_a_text_is_nothing_else():
    text = "what is the matter"
    pairs, steps = prepared([(text, "a"), (f"{text} now", "b"), (f"{text} then", "a")] * 3)
    assert "prompt_prefix" not in steps
    assert pairs[0][0] == f"{text} ->"


def test_a_completion_prefix_is_cut_but_for_its_space():
    pairs, _ = prepared(reviews(labels=(" label: good", " label: bad")))
    assert {completion for _, completion in pairs} == {" good", " bad"}


def test_classes_that_become_equal_are_counted_as_one():
    with pytest.raises(DatasetError, match="only one class"):
        prepared(reviews(labels=("GOOD", " good")))


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (
            [("a", "x"), ("b", "x")],
            "all 2 rows have the completion 'x', so there is only one class",
        ),
        ([("a", "x"), ("a", "y")], "all 2 rows have the same prompt"),
        ([("a", ""), ("b", " ")], "no rows are left"),
    ],
)
def test_rows_that_teach_nothing_are_refused(pairs, words):
    with pytest.raises(DatasetError, match=words):
        prepared(pairs)


@pytest.mark.parametrize("n", [2, 3, 10, 1251, 4999, 5000, 5001, 5100])
def test_the_split_is_that_of_pandas(n):
    frame = pd.DataFrame({"position": range(n)})
    train = frame.sample(n=max(n - 1000, int(n * 0.8)), random_state=42)
    halves = preparation.split(n)
    assert halves.train == train["position"].tolist()
    assert halves.valid == frame.drop(train.index)["position"].tolist()


def test_a_prompt_that_is_trained_on_does_not_validate():
    halves = preparation.Split([0, 1], [2, 3])
    assert preparation.without_overlap("abac", halves) == preparation.Split([0, 1], [3])


@pytest.mark.parametrize(
    ("counts", "positive"),
    [
        ({"Negative": 7, "Positive": 3}, "Positive"),
        ({"Positive": 3, "Negative": 3}, "Positive"),
        ({"no": 9, "yes": 1}, "yes"),
        ({"0": 9, "1": 1}, "1"),
        ({"not spam": 2, "spam": 8}, "spam"),
        ({"relevant": 9, "irrelevant": 3}, "relevant"),
        ({"ham": 8, "spam": 2}, "spam"),
        ({"cat": 5, "dog": 5}, "dog"),
    ],
)
def test_the_positive_class_is_not_simply_the_most_frequent(counts, positive):
    assert analysis.positive_class(counts)[0] == positive


def test_the_stop_is_what_all_labels_end_with():
    def summary(*labels):
        pairs = [(str(i), f" {label}") for i, label in enumerate(labels)]
        return summarise(FILE, rows_of(pairs), "classification", None, Rates(), None)

    found = summary("Positive", "Negative", "Negative")
    assert found.classes == {"Negative": 2, "Positive": 1}
    assert (found.stop, found.positive_class) == ("tive", "Positive")
    assert summary("x", "y").stop == "\n"


@given(texts=st.lists(st.text(st.sampled_from("aéêж漢🙂")), min_size=1))
def test_common_ends_are_the_longest(texts):
    for end, same in (
        (analysis.common_beginning(texts), str.startswith),
        (analysis.common_ending(texts), str.endswith),
    ):
        assert all(same(text, end) for text in texts)
        size = len(end) + 1
        longer = {t[:size] if same is str.startswith else t[-size:] for t in texts}
        assert len(longer) > 1 or texts[0] == end or min(map(len, texts)) == len(end)


@given(pairs=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy")), min_size=1))
def test_duplicates_are_those_of_pandas(pairs):
    rows = rows_of(pairs)
    proposal = steps.duplicates(rows, Settings())
    if proposal:
        proposal.apply()
    frame = pd.DataFrame(pairs, columns=["p", "c"])
    assert rows.places == [i + 1 for i in frame.index[~frame.duplicated()]]
    assert pairs_of(rows) == [pairs[i - 1] for i in rows.places]


@given(texts=st.lists(st.text()))
def test_capitals_are_counted_as_python_knows_them(texts):
    joined = "".join(texts)
    upper = sum(c.isalpha() and c.isupper() and c.lower() != c for c in joined)
    lower = sum(c.isalpha() and c.islower() for c in joined)
    assert analysis.mostly_upper(texts) == (upper * 2 > lower)
