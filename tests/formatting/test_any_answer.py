"""Whatever an answer holds: no label is read that it does not state."""

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from tunebench.formatting.mentions import mentioned

from .read_answers import ALL, SENTIMENT, THOUGHTS, read

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


# Anything but the marks of a thought.
unmarked = st.text(st.characters(exclude_characters="<[◁a"), max_size=40)
answers = unmarked | st.sampled_from(SENTIMENT).flatmap(
    lambda label: st.sampled_from(
        [label, f"It is {label}.", f'{{"label": "{label}"}}', f"{label} or Negative", "I can't."]
    )
)


@given(
    thought=unmarked | st.lists(st.sampled_from(SENTIMENT + ALL)).map(" ".join),
    marks=st.sampled_from(THOUGHTS),
    text=answers,
    rules=st.permutations(ALL),
)
def test_no_thought_changes_how_the_answer_is_read(thought, marks, text, rules) -> None:
    begin, end = marks
    whole = f"{begin}{thought}{end}{text}"
    assert read(whole, rules=tuple(rules)) == read(text, rules=tuple(rules))
    if begin:
        assert read(f"{text}{begin}{thought}", rules=tuple(rules)) == (None, "cut off")


letters = st.text("abcxyzäßøжд", max_size=3)


@given(
    before=letters,
    after=letters,
    label=st.sampled_from(SENTIMENT),
    joined=st.sampled_from(["", "-", "_", ".", "@", "&"]),
)
def test_no_part_of_a_longer_word_is_read(before, after, label, joined) -> None:
    word = joined.join(part for part in (before, label, after) if part)
    expected = SENTIMENT.index(label) if word == label else None
    assert read(f"I say {word}, so", rules=("mentioned",))[0] == expected


@given(
    number=st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6).map(lambda x: round(x, 3)),
    form=st.sampled_from(
        ["{}", "{:,}", "{:_}", "{:e}", "{:.2f}", "{}%", "{}/10", "{}-9", "{:+}", "{}:30"]
    ),
    labels=st.sets(st.integers(-12, 12).map(str), min_size=2),
    rules=st.permutations(ALL),
)
def test_a_number_is_read_as_the_label_that_it_equals_or_none(number, form, labels, rules) -> None:
    names = tuple(sorted(labels))
    said = form.format(number)
    stated = said.removeprefix("+")
    expected = names.index(stated) if stated in names else None
    for text in (said, f"{said}.", f"Rating: {said}.", f"({said})"):
        assert read(text, names, tuple(rules))[0] == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | unmarked,
    lambda inner: st.lists(inner),
    max_leaves=4,
)


@given(
    label=st.sampled_from(SENTIMENT),
    others=st.dictionaries(unmarked.filter(lambda key: key != "label"), json_values, max_size=3),
    around=st.tuples(*[st.text(st.characters(exclude_characters="{}<[◁a"), max_size=9)] * 2),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 2]),
)
def test_any_object_with_the_label_is_read(label, others, around, ascii_only, indent) -> None:
    written = json.dumps({**others, "label": label}, ensure_ascii=ascii_only, indent=indent)
    before, after = around
    found = read(f"{before}{written}{after}", rules=("json",))
    assert found == (SENTIMENT.index(label), "json")


def inside(text, at):
    """Whether a word or number goes on at a place, by looking at what stands around it."""
    around = "  " + text + "  "

    def joins(i):
        a, mark, b = around[i + 1 : i + 4]
        if mark in "-&" and a.isalnum() and b.isalnum():
            return True
        if mark == ".":
            left, right = text[:i].rstrip("."), text[i:].lstrip(".")
            dots = len(text) - len(left) - len(right)
            numbers = left[-1:].isdigit() and right[:1].isdigit() and dots <= 3
            return numbers or (a.isalpha() and b.isalpha())
        if mark == " ":  # between groups of digits
            group = text[i + 1 : i + 5]
            return (
                a.isdigit() and group[:3].isdigit() and len(group) > 2 and not group[3:].isalnum()
            )
        return mark == "," and a.isdigit() and b.isdigit()

    def grades(i):
        before, a, mark = around[i : i + 3]
        return mark == "-" and a.isalpha() and not before.isalnum() and not joins(i)

    def leads(i):
        a, mark, b, c = around[i + 1 : i + 5]
        if mark == "-":
            return b.isdigit() or (b == "." and c.isdigit() and not grades(i))
        return mark == "." and b.isdigit() and not a.isalnum() and a != "."

    a, b = around[at + 1 : at + 3]
    if a.isalnum() and b.isalnum():
        return True
    return joins(at - 1) or joins(at) or leads(at - 1) or grades(at)


@given(
    text=st.text("ab12 .,-&;", max_size=12),
    labels=st.sets(st.text("ab12 .,-&;", min_size=1, max_size=3), min_size=1, max_size=4),
)
def test_labels_are_found_as_by_looking_at_each_place(text, labels) -> None:
    names = sorted(labels, key=lambda name: (-len(name), name))
    taken = set()
    expected = set()
    for name in names:
        start = 0
        while (start := text.find(name, start)) >= 0:
            span = range(start, start + len(name))
            if inside(text, start) or inside(text, span.stop) or taken.issuperset(span):
                start += 1
                continue
            taken.update(span)
            expected.add(name)
            start = span.stop
    assert {names[i] for i in mentioned(text, names)} == expected
