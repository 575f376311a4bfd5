"""dspy: its language models, its programs, and its optimizer that fine-tunes."""

import os
from typing import Literal

import dspy
import litellm
from answering import ASKED, answer
from dspy.utils import DummyLM

CHAT = "openai/" + ASKED["model"]
ADDRESS = {"api_base": os.environ["OPENAI_BASE_URL"], "api_key": "any"}
UNCACHED = {**ADDRESS, "cache": False}
SHORT = {**UNCACHED, "max_tokens": ASKED["max_tokens"], "temperature": 0}


class Review(dspy.Signature):
    """Label a film review."""

    review: str = dspy.InputField()
    label: Literal["Positive", "Negative"] = dspy.OutputField()


def completions():
    prompt = ASKED["prompts"][0]
    [got] = dspy.LM(CHAT, model_type="text", **SHORT)(prompt)
    settings = {"model": ASKED["model"], "max_tokens": ASKED["max_tokens"], "temperature": 0}
    return {"asked": {**settings, "prompt": prompt + "\n\nBEGIN RESPONSE:"}, "got": got}


def chat():
    return dspy.LM(CHAT, **SHORT)(ASKED["question"])[0]


def chat_logprobs():
    [made] = dspy.LM(CHAT, **SHORT, logprobs=True)(ASKED["question"])
    return [token.logprob for token in made["logprobs"].content]


def json_schema():
    # Of a model that litellm does not know, dspy wants any JSON, not that of a schema.
    known = {"litellm_provider": "openai", "mode": "chat", "supports_response_schema": True}
    litellm.register_model({ASKED["model"]: known})
    program = dspy.Predict(Review)
    program.set_lm(dspy.LM(CHAT, **UNCACHED, temperature=0, max_tokens=64))
    with dspy.context(adapter=dspy.JSONAdapter()):
        return {"label": program(review=ASKED["review"]).label}


def responses():
    settings = {**SHORT, "max_tokens": ASKED["response_tokens"]}
    return dspy.LM(CHAT, model_type="responses", **settings)(ASKED["question"])[0]["text"]


def embeddings():
    embedder = dspy.Embedder("openai/" + ASKED["embedder"], caching=False, **ADDRESS)
    return embedder(ASKED["prompts"]).tolist()


def fine_tuning():
    dspy.settings.experimental = True
    student = dspy.Predict(Review)
    student.set_lm(dspy.LM(CHAT, **UNCACHED, max_tokens=8))
    rows = [dspy.Example(review=text, label=label) for text, label in ASKED["rows"]]
    teacher = student.deepcopy()
    teacher.set_lm(DummyLM([{"label": row.label} for row in rows]))
    optimizer = dspy.BootstrapFinetune(train_kwargs={"n_epochs": 1}, num_threads=1)
    trained = optimizer.compile(
        student, trainset=[row.with_inputs("review") for row in rows], teacher=teacher
    )
    # litellm knows of a fine-tuned model's provider only for bases of OpenAI's own.
    dspy.LM(f"openai/{trained.lm.model}", **SHORT)("a film")
    return trained.lm.model


answer("dspy", globals())
