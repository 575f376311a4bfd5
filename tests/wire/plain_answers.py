"""Requests and answers to begin with."""

from typing import Any

import pytest

from tunebench.wire import Answers, Asked, Unusable, read_answers


def asked(prompts: int = 1, **other: Any) -> Asked:
    return Asked(**({"model": "m", "prompts": prompts, "chat": False, "logprobs": False} | other))


CHAT = asked(chat=True)


def choice(index: Any = 0, text: Any = " Positive", **other: Any) -> dict[str, Any]:
    return {"index": index, "text": text, "finish_reason": "stop", **other}


def message(content: Any = "Positive", reason: Any = "stop", **other: Any) -> dict[str, Any]:
    return {"index": 0, "message": {"content": content, **other}, "finish_reason": reason}


def body(*choices: Any, **other: Any) -> dict[str, Any]:
    return {"model": "m", "choices": list(choices), **other}


def refused(body: Any, asked: Asked = asked()) -> str:  # noqa: B008
    with pytest.raises(Unusable) as raised:
        read_answers(body, asked)
    said = str(raised.value)
    assert not said.endswith(".")
    return said


def reading(body: Any, asked: Asked) -> Answers | str:
    """What is read of an answer, or why it is refused, in words that any file can hold."""
    try:
        return read_answers(body, asked)
    except Unusable as problem:
        said = str(problem)
    said.encode()
    return said
