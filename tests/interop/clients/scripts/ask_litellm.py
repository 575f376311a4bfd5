"""litellm, which calls any server of OpenAI's kind `openai/`, its completions apart."""

import json
from typing import Literal

import litellm
from answering import ASKED, answer
from pydantic import BaseModel

CHAT = "openai/" + ASKED["model"]
TEXT = "text-completion-openai/" + ASKED["model"]
SETTINGS = {"max_tokens": ASKED["max_tokens"], "temperature": 0, "num_retries": 0}
MESSAGES = [{"role": "user", "content": ASKED["question"]}]
REVIEW = [{"role": "user", "content": ASKED["review"]}]


class Review(BaseModel, extra="forbid"):
    label: Literal["Positive", "Negative"]


def completions():
    made = litellm.text_completion(model=TEXT, prompt=ASKED["prompts"][0], **SETTINGS)
    return made.choices[0].text


def lists():
    made = litellm.text_completion(model=TEXT, prompt=ASKED["prompts"], **SETTINGS)
    return [choice.text for choice in made.choices]


def logprobs():
    made = litellm.text_completion(model=TEXT, prompt=ASKED["prompts"][0], logprobs=2, **SETTINGS)
    return made.choices[0].logprobs.token_logprobs


def chat():
    return litellm.completion(model=CHAT, messages=MESSAGES, **SETTINGS).choices[0].message.content


def stream():
    chunks = litellm.completion(model=CHAT, messages=MESSAGES, stream=True, **SETTINGS)
    return [chunk.choices[0].delta.content or "" for chunk in chunks]


def chat_logprobs():
    made = litellm.completion(
        model=CHAT, messages=MESSAGES, logprobs=True, top_logprobs=2, **SETTINGS
    )
    return [token["logprob"] for token in made.choices[0].logprobs["content"]]


def json_schema():
    made = litellm.completion(model=CHAT, messages=REVIEW, response_format=Review)
    return json.loads(made.choices[0].message.content)


def tools():
    parameters = Review.model_json_schema()
    tool = {"name": "keep", "description": "Keep the label of a review.", "parameters": parameters}
    made = litellm.completion(
        model=CHAT,
        messages=REVIEW,
        tools=[{"type": "function", "function": tool}],
        tool_choice={"type": "function", "function": {"name": "keep"}},
    )
    message = made.choices[0].message
    [call] = message.tool_calls
    kept = {"role": "tool", "tool_call_id": call.id, "content": "kept"}
    litellm.completion(model=CHAT, messages=[*REVIEW, message, kept], **SETTINGS)
    return {"name": call.function.name, "arguments": json.loads(call.function.arguments)}


def responses():
    made = litellm.responses(
        model=CHAT,
        input=ASKED["question"],
        temperature=0,
        max_output_tokens=ASKED["response_tokens"],
    )
    return made.output_text


def embeddings():
    made = litellm.embedding(model="openai/" + ASKED["embedder"], input=ASKED["prompts"])
    return [one["embedding"] for one in made.data]


answer("litellm", globals())
