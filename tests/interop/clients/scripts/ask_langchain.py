"""langchain-openai: ChatOpenAI, OpenAI and OpenAIEmbeddings."""

from typing import Literal

from answering import ASKED, answer
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from pydantic import BaseModel

SETTINGS = {"model": ASKED["model"], "temperature": 0, "max_retries": 0}
SHORT = {**SETTINGS, "max_tokens": ASKED["max_tokens"]}


class Review(BaseModel, extra="forbid"):
    """The label of a review."""

    label: Literal["Positive", "Negative"]


def completions():
    return OpenAI(**SHORT).invoke(ASKED["prompts"][0])


def lists():
    made = OpenAI(**SHORT).generate(ASKED["prompts"])
    return [one.text for [one] in made.generations]


def logprobs():
    [[one]] = OpenAI(**SHORT, logprobs=2).generate(ASKED["prompts"][:1]).generations
    return one.generation_info["logprobs"]["token_logprobs"]


def chat():
    return ChatOpenAI(**SHORT).invoke(ASKED["question"]).content


def stream():
    return [chunk.content for chunk in ChatOpenAI(**SHORT).stream(ASKED["question"])]


def chat_logprobs():
    made = ChatOpenAI(**SHORT, logprobs=True, top_logprobs=2).invoke(ASKED["question"])
    return [token["logprob"] for token in made.response_metadata["logprobs"]["content"]]


def json_schema():
    model = ChatOpenAI(**SETTINGS).with_structured_output(Review, method="json_schema")
    return model.invoke(ASKED["review"]).model_dump()


def tools():
    def keep(label: Literal["Positive", "Negative"]) -> None:
        """Keep the label of a review."""

    model = ChatOpenAI(**SETTINGS).bind_tools([keep], tool_choice="keep", strict=True)
    [call] = model.invoke(ASKED["review"]).tool_calls
    return {"name": call["name"], "arguments": call["args"]}


def responses():
    settings = {**SETTINGS, "max_tokens": ASKED["response_tokens"]}
    return ChatOpenAI(**settings, use_responses_api=True).invoke(ASKED["question"]).text


def embeddings():
    # Other servers' models have other tokens than those that it would cut texts with.
    made = OpenAIEmbeddings(model=ASKED["embedder"], check_embedding_ctx_length=False)
    return made.embed_documents(ASKED["prompts"])


answer("langchain-openai", globals())
