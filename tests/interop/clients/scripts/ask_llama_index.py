"""llama-index with OpenAILike, its model for servers of OpenAI's kind."""

import os
from typing import Literal

from answering import ASKED, answer
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

SETTINGS = {
    "model": ASKED["model"],
    "api_base": os.environ["OPENAI_BASE_URL"],
    "api_key": "any",
    "temperature": 0,
    "max_retries": 0,
}
SHORT = {**SETTINGS, "max_tokens": ASKED["max_tokens"]}
MESSAGES = [ChatMessage(role="user", content=ASKED["question"])]


class Review(BaseModel, extra="forbid"):
    """The label of a review."""

    label: Literal["Positive", "Negative"]


def completions():
    return OpenAILike(**SHORT).complete(ASKED["prompts"][0]).text


def chat():
    return OpenAILike(**SHORT, is_chat_model=True).chat(MESSAGES).message.content


def stream():
    chunks = OpenAILike(**SHORT, is_chat_model=True).stream_chat(MESSAGES)
    return [chunk.delta for chunk in chunks]


def chat_logprobs():
    model = OpenAILike(**SHORT, is_chat_model=True, logprobs=True, top_logprobs=2)
    return [first.logprob for first, *_ in model.chat(MESSAGES).logprobs]


def json_schema():
    model = OpenAILike(
        **SETTINGS, max_tokens=64, is_chat_model=True, should_use_structured_outputs=True
    )
    review = [ChatMessage(role="user", content=ASKED["review"])]
    return model.as_structured_llm(Review).chat(review).raw.model_dump()


def tools():
    def keep(label: Literal["Positive", "Negative"]) -> None:
        """Keep the label of a review."""

    model = OpenAILike(
        **SETTINGS, max_tokens=64, is_chat_model=True, is_function_calling_model=True
    )
    tool = FunctionTool.from_defaults(keep)
    made = model.chat_with_tools([tool], user_msg=ASKED["review"], tool_choice="keep")
    [call] = model.get_tool_calls_from_response(made)
    return {"name": call.tool_name, "arguments": call.tool_kwargs}


answer("llama-index-llms-openai-like", globals())
