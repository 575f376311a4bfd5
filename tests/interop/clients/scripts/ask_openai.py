"""openai-python, which checks here that answers have every field in its declared type."""

import json
import time
from typing import Literal

from answering import ASKED, answer
from openai import OpenAI
from pydantic import BaseModel

client = OpenAI(_strict_response_validation=True, max_retries=0)
MODEL = ASKED["model"]
SETTINGS = {"model": MODEL, "max_tokens": ASKED["max_tokens"], "temperature": 0}
MESSAGES = [{"role": "user", "content": ASKED["question"]}]
REVIEW = [{"role": "user", "content": ASKED["review"]}]


class Review(BaseModel):
    label: Literal["Positive", "Negative"]


def models():
    return [model.id for model in client.models.list()]


def completions():
    return client.completions.create(prompt=ASKED["prompts"][0], **SETTINGS).choices[0].text


def lists():
    made = client.completions.create(prompt=ASKED["prompts"], **SETTINGS)
    return [choice.text for choice in made.choices]


def logprobs():
    made = client.completions.create(prompt=ASKED["prompts"][0], logprobs=2, **SETTINGS)
    return made.choices[0].logprobs.token_logprobs


def chat():
    return client.chat.completions.create(messages=MESSAGES, **SETTINGS).choices[0].message.content


def stream():
    chunks = client.chat.completions.create(messages=MESSAGES, stream=True, **SETTINGS)
    return [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]


def chat_logprobs():
    made = client.chat.completions.create(
        messages=MESSAGES, logprobs=True, top_logprobs=2, **SETTINGS
    )
    return [token.logprob for token in made.choices[0].logprobs.content]


def json_schema():
    made = client.chat.completions.parse(model=MODEL, messages=REVIEW, response_format=Review)
    return made.choices[0].message.parsed.model_dump()


def tools():
    parameters = {**Review.model_json_schema(), "additionalProperties": False}
    tool = {"name": "keep", "description": "Keep the label of a review.", "parameters": parameters}
    made = client.chat.completions.create(
        model=MODEL,
        messages=REVIEW,
        tools=[{"type": "function", "function": tool}],
        tool_choice={"type": "function", "function": {"name": "keep"}},
    )
    [call] = made.choices[0].message.tool_calls
    said = {"role": "tool", "tool_call_id": call.id, "content": "kept"}
    client.chat.completions.create(messages=[*REVIEW, made.choices[0].message, said], **SETTINGS)
    return {"name": call.function.name, "arguments": json.loads(call.function.arguments)}


def responses():
    made = client.responses.create(
        model=MODEL,
        input=ASKED["question"],
        temperature=0,
        max_output_tokens=ASKED["response_tokens"],
    )
    return made.output_text


def embeddings():
    # The package asks for base64 by itself, which its own check refuses.
    lax = OpenAI(max_retries=0)
    made = lax.embeddings.create(model=ASKED["embedder"], input=ASKED["prompts"])
    return [one.embedding for one in made.data]


def fine_tuning():
    rows = [{"prompt": f"{text} ->", "completion": f" {label}"} for text, label in ASKED["rows"]]
    content = "\n".join(map(json.dumps, rows)).encode()
    file = client.files.create(file=("rows.jsonl", content), purpose="fine-tune")
    job = client.fine_tuning.jobs.create(
        model=MODEL, training_file=file.id, hyperparameters={"n_epochs": 1}
    )
    while job.status not in ("succeeded", "failed", "cancelled"):
        time.sleep(0.2)
        job = client.fine_tuning.jobs.retrieve(job.id)
    assert list(client.fine_tuning.jobs.list_events(job.id)), job
    client.completions.create(model=job.fine_tuned_model, prompt="a film ->", max_tokens=1)
    return job.fine_tuned_model


answer("openai", globals())
