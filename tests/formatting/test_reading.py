"""How answers in words are read."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.formatting.prompts import AnswerFormat, FormatError
from harness.formatting.reading import Reader, check_readable

ALL = ("exact", "casefolded", "mentioned")
SENTIMENT = ("Negative", "Positive")


def read(text, labels=SENTIMENT, rules=ALL, **how):
    return Reader(AnswerFormat.of_chat(labels), rules).read(text, **how)


@pytest.mark.parametrize(
    ("text", "label", "reading"),
    [
        ("Positive", 1, "exact"),
        (" Positive\n", 1, "exact"),
        ("positive", 1, "casefolded"),
        ("**Positive.**", 1, "casefolded"),
        ('"Negative."', 0, "casefolded"),
        ("“negative”", 0, "casefolded"),
        ("NEGATIVE!", 0, "casefolded"),
        ("\u3000Ｐｏｓｉｔｉｖｅ。", 1, "casefolded"),
        ("The review is positive.", 1, "mentioned"),
        ("Answer:Positive", 1, "mentioned"),
        ("Sentiment:\n\n**negative**\n", 0, "mentioned"),
        ("Positive, positive, positive!", 1, "mentioned"),
        ("It is not positive.", 1, "mentioned"),  # what is denied is mentioned all the same
        ("It is positively awful.", None, "chatter"),
        ("A non-positive view", None, "chatter"),
        ("positive-ish", None, "chatter"),
        ("Posi", None, "chatter"),
        ("Mixed", None, "chatter"),
        ("Positive and negative", None, "several"),
        ("", None, "empty"),
        (" \n", None, "empty"),
        ("I'm sorry, but I can't help with that.", None, "refusal"),
        ("I’m sorry, I cannot say whether it is positive.", None, "refusal"),
        ("I cannot classify this as Positive or Negative.", None, "refusal"),
        ("As an AI language model, I am unable to judge.", None, "refusal"),
        ("Unfortunately, I won't do that", None, "refusal"),
        ("Sorry.", None, "refusal"),
        ("I'm sorry to hear it: negative.", 0, "mentioned"),
        ("I can see that it is positive.", 1, "mentioned"),
        ("I think I cannot be sure", None, "chatter"),
    ],
)
def test_answers_are_read_by_the_first_rule_that_fits(text, label, reading) -> None:
    assert read(text) == (label, reading)


LEVELS = ("Very positive", "Positive", "Neutral")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("It is very positive.", 0),
        ("It is positive.", 1),
        ("very\npositive", 0),
        ("very positive, or just positive", None),
    ],
)
def test_a_label_within_a_longer_one_counts_once(text, label) -> None:
    assert read(text, LEVELS)[0] == label


@pytest.mark.parametrize(
    ("labels", "text", "label"),
    [
        (("肯定", "否定"), "答案是肯定的", 0),
        (("अच्छ", "बुरा"), "यह अच्छा है", None),  # the vowel sign makes it another word
        (("अच्छा", "बुरा"), "यह अच्छा है", 0),
        (("Straße", "Weg"), "eine STRASSE", 0),
        (("café", "bar"), "the cafe\u0301 it is", 0),
        (("C++", "C"), "It is C++.", 0),
        (("C++", "C"), "It is C.", 1),
        (("1", "-1"), "I give it -1.", 1),
        (("1", "10"), "10 points", 1),
    ],
)
def test_words_are_whole_in_any_script(labels, text, label) -> None:
    assert read(text, labels)[0] == label


def test_rules_that_are_not_named_are_not_tried() -> None:
    assert read("positive", rules=("exact",)) == (None, "chatter")
    assert read("It is positive", rules=("exact", "casefolded")) == (None, "chatter")
    assert read("Positive", rules=("mentioned", "exact")) == (1, "mentioned")


def test_the_providers_own_word_for_a_refusal_counts() -> None:
    assert read("Positive", refused=True) == (None, "refusal")


def test_an_answer_that_was_cut_off_is_told_from_chatter() -> None:
    assert read("Well, the film", cut_off=True) == (None, "cut off")
    assert read("", cut_off=True) == (None, "cut off")
    assert read("It is positive, since", cut_off=True) == (1, "mentioned")
    # An answer that must be the label and nothing else was not one before it was cut off.
    assert read("Well", rules=("exact",), cut_off=True) == (None, "chatter")


labels = st.sampled_from(SENTIMENT)
around = st.text(" \n\t\"'*“”.`", max_size=4)


@given(label=labels, before=around, after=around, form=st.sampled_from((str.upper, str.lower)))
def test_case_and_marks_around_a_label_do_not_matter(label, before, after, form) -> None:
    before = before.replace(".", "")
    assert read(before + form(label) + after)[0] == SENTIMENT.index(label)


words = st.text(
    st.characters(exclude_categories=("Cs",)).filter(lambda c: not c.isascii() or c.isalnum()),
    max_size=12,
)


@given(text=words, label=labels, rules=st.permutations(ALL))
def test_any_text_is_read_one_way_and_never_as_a_label_it_does_not_hold(text, label, rules) -> None:
    found, reading = read(text, rules=tuple(rules))
    assert (found is None) == (reading not in ALL)
    if found is not None:
        assert SENTIMENT[found].casefold() in unicodedata.normalize("NFKC", text).casefold()
    assert read(f"{text} {label}", rules=tuple(rules))[0] in {SENTIMENT.index(label), None}


@pytest.mark.parametrize(
    ("labels", "rules", "sentence"),
    [
        (("Yes", "yes"), ALL, "the labels 'Yes' and 'yes' are the same to the reading rule "
         "'casefolded': rename one, or take that rule out of `reading`."),
        (("Yes", "Yes!"), ALL, "the labels 'Yes' and 'Yes!' are the same to the reading rule "
         "'casefolded': rename one, or take that rule out of `reading`."),
        (("YES", "yes"), ("mentioned",), "the labels 'YES' and 'yes' are the same to the reading "
         "rule 'mentioned': rename one, or take that rule out of `reading`."),
        (("?", "!"), ALL, "nothing is left of the label '?' without marks and punctuation, so the "
         "reading rule 'casefolded' cannot find it: rename it, or take that rule out of "
         "`reading`."),
    ],
)  # fmt: skip
def test_labels_that_a_rule_cannot_tell_apart_are_refused(labels, rules, sentence) -> None:
    with pytest.raises(FormatError) as raised:
        check_readable(labels, rules)
    assert str(raised.value) == sentence


def test_labels_are_checked_for_the_rules_in_use_only() -> None:
    check_readable(("Yes", "yes", "?"), ("exact",))
    check_readable(("Yes", "Yes!"), ("exact", "mentioned"))
