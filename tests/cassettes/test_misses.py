from pathlib import Path
from typing import Any

import pytest

from tunebench.errors import CassetteMissError

PROMPTS = {f"film-{i}": f"a review of film number {i}, which goes on for a while" for i in range(6)}
TEXTS = list(PROMPTS.values())
RULE = {"max_tokens": 1, "stop": ["tive"], "temperature": 0}


@pytest.fixture
def missed(recording, replaying):
    """The message of a miss: what is recorded, then what is asked."""

    def missed(
        asked: list[str],
        parameters: dict[str, Any] = RULE,
        *,
        model: str = "m",
        items: dict[str, str] = PROMPTS,
        recorded: list[list[str]] | None = None,
    ) -> str:
        with recording(PROMPTS) as (client, _):
            for texts in [TEXTS[:1]] if recorded is None else recorded:
                client.complete("m", texts, RULE)
        with replaying(items) as (client, _), pytest.raises(CassetteMissError) as raised:
            client.complete(model, asked, parameters)
        return str(raised.value)

    return missed


def test_it_names_cell_item_file_nearest_request_difference_and_fix(missed, path: Path) -> None:
    assert missed(TEXTS[:1], RULE | {"max_tokens": 2}) == (
        f"m-1shot, item film-0: {path} has no answer to this; the nearest recorded row (film-0) "
        "differs in max_tokens (recorded 1, asked 2); undo that change, or record it with "
        "`pytest --record=missing`."
    )


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"temperature": 0.5}, "temperature (recorded 0, asked 0.5)"),
        ({"stop": ["ive"]}, "stop (recorded ['tive'], asked ['ive'])"),
        ({"seed": 7}, "seed (recorded 'nothing', asked 7)"),
        ({"user": "me"}, "a parameter that cassettes do not store"),
        (
            {"max_tokens": 2, "temperature": 1},
            "max_tokens (recorded 1, asked 2), temperature (recorded 0, asked 1)",
        ),
    ],
)
def test_it_says_which_parameter_differs(missed, change: dict[str, Any], difference: str) -> None:
    assert f"(film-0) differs in {difference}; undo" in missed(TEXTS[:1], RULE | change)


def test_a_parameter_left_out_is_named(missed) -> None:
    assert "differs in stop (recorded ['tive'], asked 'nothing');" in missed(
        TEXTS[:1], {"max_tokens": 1, "temperature": 0}
    )


def test_another_model_is_named(missed) -> None:
    assert "differs in model (recorded 'm', asked 'n');" in missed(TEXTS[:1], model="n")


def test_a_changed_prompt_is_told_from_a_changed_parameter(missed) -> None:
    changed = {item: f"Now classify: {text}" for item, text in PROMPTS.items()}
    said = missed(
        list(changed.values())[:2], items=changed, recorded=[TEXTS[2:4], TEXTS[:2], TEXTS[4:]]
    )
    assert said.startswith("m-1shot, item film-0, film-1: ")
    assert (
        "the nearest recorded row (film-0) differs in the text of the prompt (instruction, "
        "labels, examples or data changed); undo that change, or record it"
    ) in said


def test_texts_that_were_never_asked_are_said_to_be_new(missed, path: Path) -> None:
    assert missed(TEXTS[:4]) == (
        f"m-1shot, item film-1, film-2, film-3: {path} has no answer to this; these texts are not "
        "recorded yet: record it with `pytest --record=missing`."
    )


def test_what_is_recorded_of_a_request_is_not_named_as_missing(missed) -> None:
    said = missed(TEXTS, recorded=[TEXTS[:2], TEXTS[3:]])
    assert said.startswith("m-1shot, item film-2: ")


def test_of_many_items_three_are_named(missed) -> None:
    assert missed(TEXTS[1:]).startswith("m-1shot, item film-1, film-2, film-3 and 2 more: ")


def test_the_nearest_row_is_of_the_same_text_or_else_the_same_item(missed) -> None:
    said = missed([TEXTS[3]], RULE | {"max_tokens": 2}, recorded=[TEXTS])
    assert "the nearest recorded row (film-3) differs in max_tokens (" in said


def test_of_no_item_the_nearest_row_is_of_the_same_text(missed) -> None:
    said = missed([TEXTS[3]], RULE | {"max_tokens": 2}, recorded=[TEXTS], items={})
    assert said.startswith("m-1shot, request 'POST completions': ")
    assert "(film-3) differs in max_tokens" in said


def test_among_equals_the_nearest_has_most_parameters_in_common(recording, replaying) -> None:
    with recording(PROMPTS) as (client, _):
        client.complete("m", TEXTS[:1], {"max_tokens": 9, "seed": 9, "temperature": 0})
        client.complete("m", TEXTS[:1], {"max_tokens": 1, "seed": 9, "temperature": 0})
    with (
        replaying(PROMPTS) as (client, _),
        pytest.raises(CassetteMissError, match=r"differs in seed \(recorded 9, asked 8\);"),
    ):
        client.complete("m", TEXTS[:1], {"max_tokens": 1, "seed": 8, "temperature": 0})


def test_without_a_cassette_it_says_so(replaying, path: Path) -> None:
    with replaying(PROMPTS) as (client, _), pytest.raises(CassetteMissError) as raised:
        client.complete("m", TEXTS[:1], RULE)
    assert str(raised.value) == (
        f"m-1shot, item film-0: there is no cassette in {path.parent}, and replay sends nothing "
        "to a provider; record it with `pytest --record=missing`."
    )


def test_after_a_recording_that_got_nothing_there_is_none(missed, path: Path) -> None:
    assert f"there is no cassette in {path.parent}, and replay sends" in missed(
        TEXTS[:1], recorded=[]
    )


def test_a_request_for_no_item_is_named_by_its_endpoint(recording, replaying) -> None:
    with recording(PROMPTS) as (client, _):
        client.tokenize("m", " Positive")
    with replaying(PROMPTS) as (client, _), pytest.raises(CassetteMissError) as raised:
        client.tokenize("m", " Negative")
    assert str(raised.value).startswith("m-1shot, request 'POST tokenize': ")
    assert "these texts are not recorded yet" in str(raised.value)


def test_after_texts_were_answered_another_label_is_called_a_change(recording, replaying) -> None:
    with recording(PROMPTS) as (client, _):
        client.tokenize("m", " Positive")
        client.complete("m", TEXTS[:1], RULE)
    with replaying(PROMPTS) as (client, _), pytest.raises(CassetteMissError) as raised:
        client.tokenize("m", " Negative")
    assert (
        "has no answer to this; the labels, or the provider's `endpoint`, are not those of the "
        "recorded answers of 'POST completions'; undo that change, or record it with"
    ) in str(raised.value)


def test_another_endpoint_is_called_a_change(missed, path: Path) -> None:
    message = [{"role": "user", "content": "hello"}]
    assert missed([message], items={"film-0": message}).endswith(
        f"{path} has no recorded request to 'POST chat/completions', but answers of 'POST "
        "completions': the provider's `endpoint` has changed; undo that change, or record it with "
        "`pytest --record=missing`."
    )


def test_no_text_stands_in_the_message(missed) -> None:
    said = missed([TEXTS[1]], RULE | {"max_tokens": 3})
    assert "film number" not in said


def test_a_request_for_other_items_is_not_called_a_changed_text(missed) -> None:
    assert "the text of" not in missed(TEXTS[2:4], items=PROMPTS, recorded=[TEXTS[:2]])


def test_what_a_cassette_says_does_nothing_to_a_terminal(missed) -> None:
    items = {"\x1b[31m\n::error::": TEXTS[0]}
    said = missed(TEXTS[:1], {"max_tokens": 2}, items=items)
    assert said.startswith("m-1shot, item \\x1b[31m ::error::: ")
    assert said.isprintable()


def test_a_cassette_without_a_row_of_that_endpoint_says_so(recording, replaying, path) -> None:
    with recording(PROMPTS) as (client, _):
        client.tokenize("m", " Positive")
    with replaying(PROMPTS) as (client, _), pytest.raises(CassetteMissError) as raised:
        client.complete("m", TEXTS[:1], RULE)
    assert str(raised.value) == (
        f"m-1shot, item film-0: {path} has no recorded request to 'POST completions'; record it "
        "with `pytest --record=missing`."
    )
