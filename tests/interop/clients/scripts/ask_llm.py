"""simonw's llm, with the server's models in its file of further models."""

import json
import os
import tempfile
from pathlib import Path
from typing import Literal

from answering import ASKED, answer
from pydantic import BaseModel

os.environ["LLM_USER_PATH"] = tempfile.mkdtemp()
import llm

SERVED = {"model_name": ASKED["model"], "api_base": os.environ["OPENAI_BASE_URL"]}
MODELS = [
    {"model_id": "chat", **SERVED, "supports_schema": True},
    {"model_id": "text", **SERVED, "completion": True},
    {"model_id": "responses", **SERVED, "responses": True},
]
# JSON is YAML, too.
(Path(os.environ["LLM_USER_PATH"]) / "extra-openai-models.yaml").write_text(json.dumps(MODELS))
SHORT = {"temperature": 0, "max_tokens": ASKED["max_tokens"]}


class Review(BaseModel, extra="forbid"):
    label: Literal["Positive", "Negative"]


def completions():
    return llm.get_model("text").prompt(ASKED["prompts"][0], **SHORT).text()


def chat():
    return llm.get_model("chat").prompt(ASKED["question"], stream=False, **SHORT).text()


def stream():
    return list(llm.get_model("chat").prompt(ASKED["question"], **SHORT))


def json_schema():
    return json.loads(llm.get_model("chat").prompt(ASKED["review"], schema=Review).text())


def responses():
    settings = {"temperature": 0, "max_tokens": ASKED["response_tokens"]}
    return llm.get_model("responses").prompt(ASKED["question"], stream=False, **settings).text()


answer("llm", globals())
