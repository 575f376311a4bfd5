"""OpenAI's training files as a user's own data: chat messages, prompts with completions."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunebench.datasets import Options, inspect_table, load
from tunebench.datasets.labelled_texts import normalised
from tunebench.errors import DatasetError

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1).map(str.strip).filter(normalised)
LABELS = st.lists(
    st.text(st.sampled_from("abcdefgh "), min_size=1).map(str.strip).filter(bool),
    min_size=2,
    max_size=5,
    unique_by=lambda label: label.replace(" ", ""),
)


@st.composite
def labelled(draw) -> list[tuple[str, str]]:
    """Rows of different texts, with at least two labels."""
    labels = draw(LABELS)
    texts = draw(st.lists(TEXTS, min_size=len(labels), unique_by=normalised))
    return [(text, labels[i % len(labels)]) for i, text in enumerate(texts)]


def message(role: str, content: object) -> dict[str, object]:
    return {"role": role, "content": content}


def chat(text: object, label: object, *before: dict[str, object], **more: object) -> str:
    messages = [*before, message("user", text), message("assistant", label)]
    return json.dumps({"messages": messages, **more}) + "\n"


def write(folder: Path, *lines: str) -> Path:
    path = folder / "data.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    return path


def rows_of(path: Path, text: str, label: str) -> list[tuple[str, str]]:
    """The rows that a data set has on both sides, in the file's order."""
    found = inspect_table(path, text, label)
    data = load(path.name, Options(path.parent, text_column=text, label_column=label, order="hash"))
    names, labels = data.label_names or (), {}
    for frame in (data.train, data.test):
        labels |= {t: names[i] for t, i in zip(frame["text"], frame["label"], strict=True)}
    assert set(labels) <= set(found.texts)
    assert sum(found.counts.values()) == len(found.texts)
    return [(text, labels.get(text, "")) for text in found.texts]


def same(found: list[tuple[str, str]], rows: list[tuple[str, str]]) -> bool:
    """Whether texts are the same, and labels where a split gives the text."""
    return [t for t, _ in found] == [t for t, _ in rows] and all(
        label in ("", expected) for (_, label), (_, expected) in zip(found, rows, strict=True)
    )


@settings(max_examples=40)
@given(rows=labelled(), system=st.none() | TEXTS, parts=st.booleans())
def test_a_chat_file_gives_the_texts_and_labels_that_were_written(
    rows, system, parts, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def content(text: str) -> object:
        cut = len(text) // 2
        texts = [{"type": "text", "text": part} for part in (text[:cut], text[cut:])]
        return texts if parts else text

    before = [] if system is None else [message("system", system)]
    lines = [chat(content(text), label, *before) for text, label in rows]
    path = write(tmp_path_factory.mktemp("chat"), *lines)
    assert same(rows_of(path, "user", "assistant"), rows)


@settings(max_examples=60)
@given(
    rows=labelled(),
    separator=st.sampled_from([" ->", "\n\n###\n\n", "\n\n===\n\n", "\n\n### =>\n\n"]),
    ending=st.sampled_from(["", "\n", " END", "###", "."]),
)
def test_a_pair_file_gives_the_texts_and_labels_that_were_written(
    rows, separator, ending, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = [
        json.dumps({"prompt": text + separator, "completion": f" {label}{ending}"}) + "\n"
        for text, label in rows
    ]
    path = write(tmp_path_factory.mktemp("pairs"), *lines)
    assert same(rows_of(path, "prompt", "completion"), rows)


def pairs(prompts, completions=(" a", " b")) -> list[str]:
    return [
        json.dumps({"prompt": prompt, "completion": completions[i % 2]}) + "\n"
        for i, prompt in enumerate(prompts)
    ]


@pytest.mark.parametrize("separator", ["\n\nIntent:\n\n", "\nLabel:", " Topic: ", " ===>>> "])
def test_another_separator_is_cut_off_whole_and_nothing_of_the_texts(separator, tmp_path) -> None:
    texts = [f"note {i}, as it ends." for i in range(6)]
    path = write(tmp_path, *pairs([text + separator for text in texts]))
    found = inspect_table(path, "prompt", "completion")
    assert found.texts == texts
    assert found.notes == (f"All prompts end with {separator!r}, which is not part of the texts.",)


@pytest.mark.parametrize("end", [".", " today", "?!", ")"])
def test_what_texts_end_with_by_themselves_stays(end, tmp_path) -> None:
    texts = [f"note {i}{end}" for i in range(6)]
    found = inspect_table(write(tmp_path, *pairs(texts)), "prompt", "completion")
    assert (found.texts, found.notes) == (texts, ())


def test_what_labels_end_with_by_themselves_stays(tmp_path) -> None:
    completions = (" Positive", " Negative")
    path = write(tmp_path, *pairs([f"note {i} ->" for i in range(6)], completions))
    assert inspect_table(path, "prompt", "completion").labels == ("Negative", "Positive")


def test_other_columns_keep_their_values_as_they_are(tmp_path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("body,completion\na ->,x END\nb ->,y END\n", encoding="utf-8")
    found = inspect_table(path, "body", "completion")
    assert (found.texts, found.labels) == (["a ->", "b ->"], ("x END", "y END"))


def test_a_column_beside_the_messages_may_name_groups(tmp_path) -> None:
    lines = [chat(f"note {i}", "ab"[i % 2], person=f"p{i % 3}") for i in range(9)]
    assert inspect_table(write(tmp_path, *lines), "user", "assistant", "person").groups == 3


GOOD = chat("one", "a", message("system", "Say a or b."))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (chat("two", "b", message("system", "Say b.")), "line 2: the system message is not that "
         "of line 1; a task has one instruction: write them alike, or make a file of each."),
        (chat("two", "b"), "line 2: the system message is not that of line 1; a task has one "
         "instruction: write them alike, or make a file of each."),
        (chat("two", "b", message("user", "hi"), message("assistant", "yes?")), "line 2: there is "
         "more than one message of the role 'user'; make it a row of one text and its label, or "
         "take it out."),
        (chat("two", "b", message("tool", "3")), "line 2: message 1 has the role 'tool', not "
         "system, user, assistant; make it a row of one text and its label, or take it out."),
        (json.dumps({"messages": [message("user", "two")]}), "line 2: there is no message of the "
         "role 'assistant'; make it a row of one text and its label, or take it out."),
        (json.dumps({"messages": [message("assistant", "b"), message("user", "two")]}), "line 2: "
         "the last message is not the assistant's; end with the label."),
        (chat([{"type": "image_url"}], "b"), "line 2: message 1 has a part that is not a text "
         "('image_url'); make it a row of one text and its label, or take it out."),
        (json.dumps({"messages": [message("user", "two"), {"role": "assistant", "content": None,
         "tool_calls": [{}]}]}), "line 2: message 2 calls a tool, which is not a label; make it a "
         "row of one text and its label, or take it out."),
        ('{"messages": 3}', "line 2: 'messages' must be a list of messages; write the user's "
         "and the assistant's."),
        ('{"messages": [3]}', "line 2: message 1 is not an object; write {\"role\": \"…\", "
         '"content": "…"}.'),
        ('{"text": "two"}', "line 2: 'messages' must be a list of messages; write the user's "
         "and the assistant's."),
        (chat("two", "b", user="u1"), "line 2: there are messages and a key 'user'; rename that "
         "key."),
    ],
)  # fmt: skip
def test_a_chat_that_is_no_text_with_its_label_is_refused_with_its_line(
    line, said, tmp_path
) -> None:
    path = write(tmp_path, GOOD, line)
    with pytest.raises(DatasetError) as raised:
        inspect_table(path, "user", "assistant")
    assert str(raised.value) == f"{path}, {said}"


def test_a_prompt_without_the_separator_of_the_others_is_refused_with_its_line(tmp_path) -> None:
    path = write(tmp_path, *pairs(["one ->", "two ->", "three", "four ->"]))
    with pytest.raises(DatasetError) as raised:
        inspect_table(path, "prompt", "completion")
    assert str(raised.value) == (
        f"{path}, line 3: the prompt does not end with ' ->', as most others do; write them alike."
    )


def test_an_empty_message_is_a_row_without_a_text(tmp_path) -> None:
    path = write(tmp_path, GOOD, chat(None, "b", message("developer", "Say a or b.")))
    with pytest.raises(DatasetError, match=r"1 row has no text \(line 2\)"):
        inspect_table(path, "user", "assistant")
