"""How answers in words are read."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebench.errors import ExperimentError
from tunebench.formatting.mentions import mentioned
from tunebench.formatting.prompts import AnswerFormat
from tunebench.formatting.reading import Reader, check_readable

ALL = ("exact", "casefolded", "json", "mentioned")
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
        (("肯定", "否定"), "答案是Positive和肯定", 0),
        (("Positive", "Negative"), "答案是Positive。", 0),
        (("一", "二"), "十一", None),
        (("خوب", "بد"), "خوب\u200cها", None),  # the joiner does not end the word
        (("Weg", "Straße"), "Posi\u00adtiv: Stra\u00adße", 1),
        (("économie", "sport"), "C'est l'économie.", 0),
        (("L", "M"), "C'est l'économie.", None),
        (("true", "t"), "I don't know.", None),
        (("cat", "dog"), "see cat.py", None),
        (("cat", "dog"), "mail cat@home.org", None),
        (("cat", "dog"), "see https://x.org/cat/1", None),
        (("cat", "dog"), "www.cat.com", None),
        (("cat", "dog"), "is_cat", None),
        (("cat", "dog"), "It is a _cat_.", 0),
        (("cat", "dog"), "the cat's", None),
        (("cat", "dog"), "the label 'cat'", 0),
        (("cat", "dog"), "cat/dog", None),
        (("cat", "dog"), "#cat", 0),
        (("A", "B"), "n/a", None),
        (("A", "B"), "Q&A", None),
        (("A", "B"), "I give it an A-.", None),
        (("A", "A-"), "I give it an A-.", 1),
        (("A", "A+"), "I give it an A+.", 1),
        (("A", "B"), "I give it an A+.", None),
        (("A", "B"), "Answer: A) since it is", 0),
        (("C", "D"), "C#", None),
        (("sci-fi", "drama"), "It is sci\u2011fi.", 0),
        (("don't know", "know"), "I don’t know", 0),
        (("1 1", "2"), "11 1 1", 0),  # the first place is within a number, the next one is not
    ],
)
def test_words_are_whole_in_any_script(labels, text, label) -> None:
    assert read(text, labels)[0] == label


NUMBERS = ("1", "2", "3", "-1", "0.5", "1,000", "10%", "3/4")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        *((text, "3") for text in (
            "3", "3.", "3)", "(3)", "**3**", "_3_", "3:", "Rating: 3.", "It is 3, really", "#3",
            "+3", "$3", "3 stars", "a 3!", "３", "٣", "𝟛", "3️⃣", "评分是3分", "<b>3</b>", "- 3",
            "\\boxed{3}", "No. 3", "3\u200b", "3 to be sure",
        )),
        *((text, None) for text in (
            "-3", "−3", "–3", "－3", "﹣3", "₋3", "-$3", "-٣", "3.7", "3,7", ".3", "-.3", "3,000",
            "$3,000", "3 000", "3'000", "3_000", "3e-5", "3e5", "3E+5", "3/5", "3 / 5", "3%", "3 %",
            "3٪", "3:30", "3-5", "3–5", "3...5", "3+", "3rd", "v3", "3kg", "3x", "3^2", "3²",
            "10⁻³", "3×2", "3½", "3 1/2", "½", "٣٫٧", "3·7", "3万", "三3", "3-star", "A3", "1.2.3",
            "3\u200b5", "2024-03-03",
        )),
        ("-1", "-1"), ("−1", "-1"), ("It is –1.", "-1"), ("Score: -1, I think", "-1"),
        ("0.5", "0.5"), ("It is 0.5.", "0.5"), ("1,000", "1,000"), ("It costs $1,000.", "1,000"),
        ("10%", "10%"), ("about 10% of it", "10%"), ("it is 3/4", "3/4"), ("1,000,000", None),
        ("-0.5", None), ("0.55", None), ("10.5%", None), ("13/4", None), ("--1", "-1"),
    ],
)  # fmt: skip
def test_a_number_is_read_whole(text, label) -> None:
    found = None if label is None else NUMBERS.index(label)
    assert read(text, NUMBERS)[0] == found
    assert read(f"I say {text} and stop", NUMBERS)[0] == found


THOUGHTS = (
    ("<think>", "</think>"),
    ("<THINK>\n", "\n</Think>\n\n"),
    ("", "</think>"),  # the template of the chat began it
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<reflection>", "</reflection>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel>thought\n", "<channel|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|channel|>final <|constrain|>json<|message|>"),
)


@pytest.mark.parametrize(("begin", "end"), THOUGHTS)
@pytest.mark.parametrize("rules", [(rule,) for rule in ALL] + [ALL])
def test_a_thought_is_not_read(begin, end, rules) -> None:
    said = '{"label": "Positive"}' if rules == ("json",) else "Positive"
    hint = 'Negative {"label": "Negative"} '
    assert read(f"{begin}{hint}{end}{said}", rules=rules)[0] == 1
    assert read(f"{begin}{hint}{end}{begin}{hint}{end}{said}", rules=rules)[0] == 1
    assert read(f"{begin}{hint}{end}", rules=rules)[0] is None
    if begin:
        assert read(f"{begin}{said}", rules=rules) == (None, "cut off")
        assert read(f"{begin}{hint}{end}{begin}{said}", rules=rules) == (None, "cut off")
        assert read(f"{said} {begin}", rules=rules)[0] is None


@pytest.mark.parametrize(
    ("text", "label", "reading"),
    [
        ("<think>a <think>b</think> Negative</think> Positive", 1, "exact"),
        ("<think>as in <think> or so</think> Positive", 1, "exact"),
        ("<thinking>a <reflection>b</reflection> Negative</thinking> Positive", 1, "exact"),
        ("<thinking>a <reflection>b</reflection> Negative", None, "cut off"),
        ("<think>a</thinking>Positive", 1, "exact"),
        ("<think></think>", None, "empty"),
        ("<think>Positive</think>I cannot say.", None, "refusal"),
        ("I cannot say.</think>Positive", 1, "exact"),
        ("I think> Positive", 1, "mentioned"),
        # A server may leave out the special tokens around the names of channels.
        ("analysisIt is Negative?assistantfinalPositive", 1, "exact"),
        ("analysisIt is Positive", None, "cut off"),
        ("Analysis: Positive", 1, "mentioned"),
    ],
)
def test_what_stands_behind_the_last_thought_is_read(text, label, reading) -> None:
    assert read(text) == (label, reading)


@pytest.mark.parametrize(
    ("text", "label", "reading"),
    [
        ('{"label": "Positive"}', 1, "json"),
        ('{"label": "positive."}', 1, "json"),
        ('```json\n{"label": "Positive", "why": "not negative"}\n```', 1, "json"),
        ('Here it is: {"why": "Negative \\"{", "label":"Negative"} Is that positive?', 0, "json"),
        ('{"label": "Positive"} and {"label": "POSITIVE"}', 1, "json"),
        ('[{"label": "Positive"}]', 1, "json"),
        ('A brace { is no object. {"label": "Positive"}', 1, "json"),
        ('"{"label": "Positive"}"', 1, "json"),
        ('{"label": "Positive"} {"label": "Negative"}', None, "several"),
        ('{"label": "Positive", "label": "Negative"}', None, "several"),
        ('{"label": "Positive"} {"label": "mixed"}', None, "chatter"),
        ('{"label": "mixed", "why": "partly positive"}', None, "chatter"),
        ('{"label": "mixed", "why": "positive and negative"}', None, "chatter"),
        ('{"label": ["Positive"]}', None, "chatter"),
        ('{"label": null, "why": "not positive"}', None, "chatter"),
        # What is not such an object is read by the other rules.
        ('{"a": {"label": "Positive"}, "b": "Negative"}', None, "several"),
        ('{"Label": "Positive"}', 1, "mentioned"),
        ("{'label': 'Positive'}", 1, "mentioned"),
        ('{"label": "Positive"', 1, "mentioned"),
    ],
)
def test_an_object_states_its_label(text, label, reading) -> None:
    assert read(text) == (label, reading)


@pytest.mark.parametrize("order", [ALL, ALL[::-1]])
def test_an_object_that_states_no_label_is_not_searched_whatever_the_order(order) -> None:
    text = '{"label": "mixed", "why": "partly positive"}'
    assert read(text, rules=order) == (None, "chatter")
    assert read(text, rules=("mentioned",)) == (1, "mentioned")


@pytest.mark.parametrize(
    ("value", "label"),
    [("3", 0), ('"3"', 0), ("-1", 1), ("0.5", 2), ("true", 3), ("3.0", None), ("30", None),
     ("9" * 5000, None), ("NaN", None)],
)  # fmt: skip
def test_a_value_may_be_a_number_as_the_label_is_written(value, label) -> None:
    labels = ("3", "-1", "0.5", "True")
    assert read(f'{{"label": {value}}}', labels, ("json",))[0] == label


def test_only_objects_are_read_by_json_alone() -> None:
    assert read("Positive", rules=("json",)) == (None, "chatter")
    assert read('{"a": {"label": "Positive"}}', rules=("json",)) == (None, "chatter")
    assert read('{"label": "Pos', rules=("json",), cut_off=True) == (None, "cut off")


@pytest.mark.parametrize(
    "piece",
    ["<think>", "</think>", "<", "[", "{", '{"a":', '{"', '{"label":{', '{"label":"x"}', "a", "a ",
     "1 ", "1/", "-", "-$", "a-", "very positive, positive, ", "positive ", "as a ;", "so sorry ",
     "as a" + ";" * 99, "e\u0301\u0316", "\u0301\u0316", "肯", "٣", "³", "\u200b"],
)  # fmt: skip
def test_a_long_hostile_answer_takes_no_quadratic_time(piece) -> None:
    text = piece * (200_000 // len(piece))
    assert read(text, LEVELS)[0] in {None, 1}


def test_rules_that_are_not_named_are_not_tried() -> None:
    assert read("positive", rules=("exact",)) == (None, "chatter")
    assert read("It is positive", rules=("exact", "casefolded")) == (None, "chatter")
    assert read("Positive", rules=("mentioned", "exact")) == (1, "mentioned")


def test_the_providers_own_word_for_a_refusal_counts() -> None:
    assert read("Positive", refused=True) == (None, "refusal")


def test_a_cut_off_answer_is_not_chatter() -> None:
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
         "'casefolded'; rename one, or take that rule out of `reading`."),
        (("Yes", "Yes!"), ALL, "the labels 'Yes' and 'Yes!' are the same to the reading rule "
         "'casefolded'; rename one, or take that rule out of `reading`."),
        (("YES", "yes"), ("mentioned",), "the labels 'YES' and 'yes' are the same to the reading "
         "rule 'mentioned'; rename one, or take that rule out of `reading`."),
        (("Yes", "yes"), ("json",), "the labels 'Yes' and 'yes' are the same to the reading rule "
         "'json'; rename one, or take that rule out of `reading`."),
        (("１", "1"), ("mentioned",), "the labels '１' and '1' are the same to the reading rule "
         "'mentioned'; rename one, or take that rule out of `reading`."),
        (("<think>", "b"), ("exact",), "the label '<think>' holds a mark with which a model's "
         "thoughts begin or end, and those are not read; rename it."),
        (("?", "!"), ALL, "nothing is left of the label '?' without marks and punctuation, so the "
         "reading rule 'casefolded' cannot find it; rename it, or take that rule out of "
         "`reading`."),
    ],
)  # fmt: skip
def test_labels_that_a_rule_cannot_tell_apart_are_refused(labels, rules, sentence) -> None:
    with pytest.raises(ExperimentError) as raised:
        check_readable(labels, rules)
    assert str(raised.value) == sentence


def test_labels_are_checked_for_the_rules_in_use_only() -> None:
    check_readable(("Yes", "yes", "?"), ("exact",))
    check_readable(("Yes", "Yes!"), ("exact", "mentioned"))


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
