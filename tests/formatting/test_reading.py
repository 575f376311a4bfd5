"""How answers in words are read."""

import pytest

from .read_answers import ALL, THOUGHTS, read


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
