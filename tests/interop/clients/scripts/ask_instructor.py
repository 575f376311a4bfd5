"""instructor, in its modes that send a JSON schema and a tool."""

from typing import Literal

import instructor
from answering import ASKED, answer
from pydantic import BaseModel

ASK = {
    "max_tokens": 256,
    "max_retries": 0,
    "temperature": 0,
    "messages": [{"role": "user", "content": ASKED["review"]}],
}


class Review(BaseModel, extra="forbid"):
    """The label of a review."""

    label: Literal["Positive", "Negative"]


def _review(mode):
    client = instructor.from_provider("openai/" + ASKED["model"], mode=mode)
    return client.create(response_model=Review, **ASK)


def json_schema():
    return _review(instructor.Mode.JSON_SCHEMA).model_dump()


def tools():
    review = _review(instructor.Mode.TOOLS)
    [call] = review._raw_response.choices[0].message.tool_calls
    assert call.function.name == "Review"
    return {"name": "keep", "arguments": review.model_dump()}


answer("instructor", globals())
