"""What is read of completions and chats, and what is refused with a sentence."""

import json
import math
from typing import Any

import pytest

from tunebench.wire import Answer, Usage, read_answers

from .plain_answers import asked, body, choice, refused


def test_a_whole_answer_is_read() -> None:
    read = read_answers(
        body(
            choice(1, "b", finish_reason="length"),
            choice(0, "a"),
            usage={"prompt_tokens": 20, "completion_tokens": "2"},
            system_fingerprint="fp",
            id="cmpl-1",
        ),
        asked(2),
    )
    assert read.answers == (Answer("a", "stop"), Answer("b", "length"))
    assert (read.usage, read.model, read.server) == (Usage(20, 2), "m", "fp")


@pytest.mark.parametrize(
    "usage", [None, {}, [], "many", {"prompt_tokens": -1}, {"prompt_tokens": {}}]
)
@pytest.mark.parametrize("other", [{}, {"model": None, "system_fingerprint": None}, {"model": 7}])
def test_what_is_there_for_information_may_be_absent_or_odd(usage: Any, other: Any) -> None:
    fields = body(choice(), usage=usage) | other
    if not other:
        del fields["model"]
    read = read_answers(fields, asked())
    assert (read.usage, read.model, read.server) == (Usage(None, None), "", "")


ERRORS = [
    ({"error": {"message": "Overloaded.", "code": 503}}, "Overloaded"),
    ({"error": "Overloaded"}, "Overloaded"),
    ({"error": ["Overloaded"]}, "Overloaded"),
    ({"error": {"error": {"message": "x"}, "message": {"detail": "Overloaded"}}}, "Overloaded"),
    ({"error": {"code": 503}}, '({"code": 503})'),
    ({"error": True}, "(true)"),
    ({"type": "error", "error": {"type": "overloaded", "message": "Overloaded"}}, "Overloaded"),
    ({"object": "error", "message": "Overloaded", "code": 503}, "Overloaded"),
    ({"message": "Overloaded", "choices": []}, "Overloaded"),
    ({"detail": "Overloaded", "choices": None}, "Overloaded"),
    ({"detail": [{"message": "Overloaded"}]}, "Overloaded"),
    ({"success": False, "errors": [{"code": 7, "message": "Overloaded"}]}, "Overloaded"),
    ({"errors": "Overloaded"}, "Overloaded"),
]


@pytest.mark.parametrize(("fields", "words"), ERRORS)
def test_an_error_with_a_good_status_is_told_in_the_providers_words(
    fields: Any, words: str
) -> None:
    said = refused(fields)
    assert said.startswith("the provider answered with an error")
    assert words in said


@pytest.mark.parametrize("error", [None, False, "", {}, [], 0])
def test_an_empty_error_is_none(error: Any) -> None:
    fields = body(choice(error=error), error=error, errors=["a warning"], message="fine")
    assert read_answers(fields, asked()).answers == (Answer(" Positive", "stop"),)


def test_an_error_of_one_choice_is_one_of_the_whole_answer() -> None:
    said = refused(body(choice(0), choice(1, error={"message": "out of memory"})), asked(2))
    assert said == "the provider answered with an error: out of memory"


@pytest.mark.parametrize(
    ("fields", "expected", "said"),
    [
        ([], 1, "the answer is not a JSON object; is this the API root?"),
        ({}, 1, "one prompt was asked and no list of choices came back; is this the endpoint for "
         "completions?"),
        ({"choices": {"0": choice()}}, 2, "2 prompts were asked and no list of choices came back; "
         "is this the endpoint for completions?"),
        (body(), 1, "one prompt was asked and 0 choices came back; the provider may have filtered "
         "the text: see its log"),
        (body(choice(), choice(1)), 1, "one prompt was asked and 2 choices came back; the provider "
         "may have filtered the text: see its log"),
        (body(choice()), 2, "2 prompts were asked and 1 choices came back; if the provider takes "
         "no lists of prompts, leave 'lists' out of its `supports`"),
        (body("a"), 1, 'choices[0] is "a" and must be an object'),
        (body(choice(), None), 2, "choices[1] is null and must be an object"),
    ],
)  # fmt: skip
def test_choices_that_are_not_one_for_each_prompt(fields: Any, expected: int, said: str) -> None:
    assert refused(fields, asked(expected)) == said


@pytest.mark.parametrize("index", [-1, 3, 1.0, "1", True, None, [], 2**70, math.nan])
def test_an_index_is_a_whole_number_below_the_number_of_prompts(index: Any) -> None:
    said = refused(body(choice(0), choice(index), choice(2)), asked(3))
    assert said == (
        f"choices[1].index is {json.dumps(index)} and must be a whole number from 0 to 2"
    )


def test_no_two_choices_have_one_index() -> None:
    assert refused(body(choice(0), choice(1), choice(1)), asked(3)).startswith(
        "choices[2].index is 1, which another choice has, too, "
    )


@pytest.mark.parametrize("index", [1, "0", 0.0, False])
def test_the_index_of_an_only_choice_is_0_or_absent(index: Any) -> None:
    assert "choices[0].index is" in refused(body(choice(index)))
    for absent in (body(choice(None)), body({"text": "a", "finish_reason": "stop"})):
        assert len(read_answers(absent, asked()).answers) == 1
