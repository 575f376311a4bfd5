"""Whatever stands in a field of an answer: it is read as before, or refused by its name."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion, CompletionChoice, CompletionUsage
from openai.types import completion_choice as legacy
from openai.types.chat import ChatCompletion, ChatCompletionMessage, ChatCompletionTokenLogprob
from openai.types.chat.chat_completion import Choice, ChoiceLogprobs
from openai.types.chat.chat_completion_token_logprob import TopLogprob

from tunebench.wire import Answer, Asked, parsed, read_answers

from ..json_values import NOTHING, changed, json_values, paths, value_at
from .plain_answers import reading

TOP = {" Positive": -0.25, " Negative": -1.5}
TEXTS = (" Positive", " Negative")


def completion() -> Any:
    """Two prompts' completions."""
    choices = [
        CompletionChoice(
            index=index,
            text=text,
            finish_reason="length",
            logprobs=legacy.Logprobs(
                tokens=[text], token_logprobs=[-0.25], top_logprobs=[TOP, TOP], text_offset=[0]
            ),
        )
        for index, text in enumerate(TEXTS)
    ]
    usage = CompletionUsage(prompt_tokens=20, completion_tokens=2, total_tokens=22)
    whole = Completion(
        id="cmpl-1",
        object="text_completion",
        created=1,
        model="m",
        choices=choices,
        usage=usage,
        system_fingerprint="fp",
    )
    return json.loads(whole.model_dump_json())


def chat() -> Any:
    """The answer to a conversation."""
    top = [TopLogprob(token=token, logprob=value) for token, value in TOP.items()]
    said = [
        ChatCompletionTokenLogprob(token=TEXTS[0], logprob=-0.25, top_logprobs=top),
        ChatCompletionTokenLogprob(token=".", logprob=-9.0, top_logprobs=top[:1]),
    ]
    choice = Choice(
        index=0,
        finish_reason="stop",
        message=ChatCompletionMessage(role="assistant", content=TEXTS[0]),
        logprobs=ChoiceLogprobs(content=said),
    )
    whole = ChatCompletion(
        id="chat-1", object="chat.completion", created=1, model="m", choices=[choice]
    )
    return json.loads(whole.model_dump_json())


WHOLE = {False: completion(), True: chat()}
ASKED = {False: Asked("m", 2, False, True), True: Asked("m", 1, True, True)}
READ = {is_chat: read_answers(WHOLE[is_chat], ASKED[is_chat]) for is_chat in WHOLE}
# Names that say something where they do not stand in the answer yet.
NAMES = ("error", "errors", "message", "detail", "refusal", "text", "extra")


def test_the_answers_of_the_package_itself_are_read() -> None:
    assert READ[False].answers == tuple(Answer(text, "length", TOP) for text in TEXTS)
    assert READ[True].answers == (Answer(TEXTS[0], "stop", TOP),)
    assert [read.usage.prompt_tokens for read in READ.values()] == [20, None]


def is_said(path: tuple[Any, ...]) -> bool:
    """Whether another value at this place is another answer: what the model said, how sure it
    was, and why it ended.
    """
    if len(path) < 3:
        return path[:1] == ("choices",)
    if path[2] == "logprobs":
        return path[3:5] in (
            (),
            ("top_logprobs",),
            ("top_logprobs", 0),
            ("content",),
            ("content", 0),
        )
    return path[2:4] in (("text",), ("message",), ("message", "content"), ("message", "refusal"),
                         ("finish_reason",))  # fmt: skip


def names(path: tuple[Any, ...], said: str) -> bool:
    """Whether a sentence names the place of a value, or what it stands in."""
    if "with an error" in said:
        return path[-1] in ("error", "errors", "message", "detail") or path[0] == "choices"
    if path[0] == "model":
        return said.startswith("the model ")
    if len(path) < 3:  # a choice, or all of them
        return path[0] == "choices" and "choice" in said
    at = f"choices[{path[1]}]."
    return (
        said.startswith((f"{at}{path[2]}", f"{at}logprobs")) or "which another choice has" in said
    )


def places(value: Any) -> Any:
    """Each place of a JSON value with anything to put there, and new places within its objects."""
    there = paths(value)
    objects = [(), *(path for path in there if isinstance(value_at(value, path), dict))]
    new = [(*path, name) for path in objects for name in NAMES]
    anything = st.tuples(st.sampled_from(there), st.just(NOTHING) | json_values)
    return anything | st.tuples(st.sampled_from(new), json_values)


@pytest.mark.parametrize("is_chat", [False, True])
@given(data=st.data())
def test_any_value_at_any_place_is_read_as_before_or_named(is_chat: bool, data: Any) -> None:
    path, new = data.draw(places(WHOLE[is_chat]))
    before = READ[is_chat]
    read = reading(changed(WHOLE[is_chat], path, new), ASKED[is_chat])
    if isinstance(read, str):
        assert names(path, read), read
        return
    for position, answer in enumerate(read.answers):
        if is_said(path) and path[1:2] in ((), (position,)):
            answer.text.encode()
            assert answer.finish_reason in ("stop", "length", "content_filter")
            assert all(map(math.isfinite, answer.top_logprobs.values()))
            assert answer.top_logprobs or not answer.text
        else:
            assert answer == before.answers[position]


@given(content=st.binary(max_size=40) | json_values.map(json.dumps).map(str.encode))
def test_any_content_is_read_or_refused(content: bytes) -> None:
    try:
        body = parsed(content)
    except ValueError:
        return
    for asked in ASKED.values():
        said = reading(body, asked)
        assert isinstance(said, str)
        assert len(said) < 600
