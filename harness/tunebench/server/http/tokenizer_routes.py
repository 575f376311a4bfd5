"""The routes of tokenizers, in vLLM's form, which lm-eval's remote tokenizer asks.

That client names no model: where several are served, its requests are refused.
"""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from tunebench.server.http import prompts
from tunebench.server.http.generation import find_model
from tunebench.server.http.json_route import JsonRoute, json_response
from tunebench.server.http.requests import DetokenizeRequest, TokenizeRequest
from tunebench.server.http_errors import ApiError
from tunebench.server.inference.language_model import LanguageModel
from tunebench.server.inference.models import ModelRegistry
from tunebench.server.inference.queue import Worker

_TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token")


def tokenizer_routes(registry: ModelRegistry, worker: Worker) -> APIRouter:
    """The router; each path is there with and without ``/v1``."""
    router = APIRouter(route_class=JsonRoute)

    async def model_of(name: str | None) -> LanguageModel:
        return await find_model(registry, worker, _only_model(registry) if name is None else name)

    @router.post("/tokenize")
    @router.post("/v1/tokenize")
    async def tokenize(body: TokenizeRequest) -> Response:
        model = await model_of(body.model)

        def made() -> dict[str, Any]:
            ids = prompts.tokenized(model, body)
            return {"count": len(ids), "max_model_len": model.max_length, "tokens": ids}

        return await json_response(made)

    @router.post("/detokenize")
    @router.post("/v1/detokenize")
    async def detokenize(body: DetokenizeRequest) -> Response:
        model = await model_of(body.model)

        def made() -> dict[str, Any]:
            # As for a model that is not here: which ids there are, no description can say.
            prompts.check_ids(model, body.tokens, "tokens", status=404)
            return {"prompt": model.token_bytes.text(body.tokens)}

        return await json_response(made)

    @router.get("/tokenizer_info")
    @router.get("/v1/tokenizer_info")
    async def tokenizer_info(model: str | None = None) -> dict[str, Any]:
        return _info(await model_of(model))

    return router


def _only_model(registry: ModelRegistry) -> str:
    # A fine-tuned model's source is the name of its base, whose tokenizer it has.
    sources = registry.sources
    bases = [name for name, source in sources.items() if source == name or source not in sources]
    if len(bases) == 1:
        return bases[0]
    raise ApiError(
        400,
        f"The parameter model is missing, and {len(bases)} models are served; name one, or serve "
        "only one with --model.",
        param="model",
    )


def _info(model: LanguageModel) -> dict[str, Any]:
    tokenizer = model.tokenizer
    return {
        "tokenizer_class": type(tokenizer).__name__,
        **{name: getattr(tokenizer, name) for name in _TOKENS},
        "chat_template": tokenizer.chat_template,
        "model_max_length": model.max_length,
        "vocab_size": model.vocabulary_size,
        "add_bos_token": tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id],
    }
