"""inspect_ai, by its provider `openai/` or, for other servers of that kind, `openai-api/`."""

import json
import os
from typing import Literal

from answering import ASKED, answer
from inspect_ai import Task
from inspect_ai import eval as evaluate
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig, ResponseSchema, get_model
from inspect_ai.scorer import includes
from inspect_ai.solver import generate, use_tools
from inspect_ai.tool import ToolFunction, tool
from inspect_ai.util import json_schema as schema_of
from pydantic import BaseModel

os.environ["LOCAL_BASE_URL"] = os.environ["OPENAI_BASE_URL"]
os.environ["LOCAL_API_KEY"] = "any"
PROVIDER = os.environ["CLIENT_VARIANT"]
SHORT = {"temperature": 0, "max_tokens": ASKED["max_tokens"], "max_retries": 0}


class Review(BaseModel):
    label: Literal["Positive", "Negative"]


def _output(text, *solvers, provider=PROVIDER, model_args=None, **settings):
    task = Task(
        dataset=[Sample(text, target="good")],
        solver=[*solvers, generate(tool_calls="none")],
        scorer=includes(),
        config=GenerateConfig(**settings),
    )
    model = get_model(provider + ASKED["model"], **model_args or {})
    [log] = evaluate(task, model=model, display="none", log_dir="logs")
    assert log.status == "success", log.error
    return log.samples[0].output


def completions():
    provider = "openai-api-completions/local/"
    return _output(ASKED["prompts"][0], provider=provider, **SHORT).completion


def chat():
    return _output(ASKED["question"], **SHORT).completion


def chat_logprobs():
    made = _output(ASKED["question"], **SHORT, logprobs=True, top_logprobs=2)
    return [token.logprob for token in made.choices[0].logprobs.content]


def json_schema():
    schema = ResponseSchema(name="review", json_schema=schema_of(Review), strict=True)
    made = _output(ASKED["review"], response_schema=schema, max_tokens=64, max_retries=0)
    return json.loads(made.completion)


def tools():
    @tool
    def keep():
        async def execute(label: Literal["Positive", "Negative"]) -> str:
            """Keep the label of a review.

            Args:
                label: The label.
            """
            return "kept"

        return execute

    wanted = use_tools(keep(), tool_choice=ToolFunction("keep"))
    [call] = _output(ASKED["review"], wanted, max_tokens=64, max_retries=0).message.tool_calls
    return {"name": call.function, "arguments": call.arguments}


def responses():
    settings = {**SHORT, "max_tokens": ASKED["response_tokens"]}
    return _output(ASKED["question"], model_args={"responses_api": True}, **settings).completion


answer("inspect-ai", globals())
