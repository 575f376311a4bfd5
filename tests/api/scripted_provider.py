"""Providers on this machine that answer in the documented shapes of known ones."""

import json
from pathlib import Path
from typing import Any

SHAPES = Path(__file__).parent / "documented_shapes"


def shape(provider: str, name: str) -> Any:
    return json.loads((SHAPES / f"{provider}.json").read_text())[name]


class Scripted:
    """Answers as a provider does, by path; a forced token changes the text.

    Attributes:
        bodies: the answer of each path, below the API root; ``/tokenize`` stands beside it. A body
            under a `status` is an error; a path that is not there is answered by `missing`.
        raw: whether the log-probabilities shown are those before a token was forced.
    """

    def __init__(self, said: Any, provider: str, paths: dict[str, str], missing: str) -> None:
        self.said, self.headers = said, shape(provider, "headers")
        self.bodies = {path: shape(provider, name) for path, name in paths.items()}
        self.missing = shape(provider, missing)
        self.raw = False

    def answer(self, asked: Any) -> Any:
        path = asked.path.removeprefix("/v1").partition("?")[0]
        body = json.loads(json.dumps(self.bodies.get(path, self.missing)))
        if "status" in body and "body" in body:
            return self.said(body["body"], body["status"], self.headers)
        if asked.body and "choices" in body:
            fields = asked.fields
            prompts = asked.prompts if "prompt" in fields else [""]
            body["choices"] = [body["choices"][0] | {"index": i} for i in range(len(prompts))]
            for choice in body["choices"]:
                if "logprobs" not in fields:
                    choice["logprobs"] = None
                for token in fields.get("logit_bias", {}):
                    if "text" in choice:
                        choice["text"] = token
                    else:
                        choice["message"]["content"] = token
                    if choice["logprobs"] and not self.raw:
                        _show(choice["logprobs"], token)
        return self.said(body, 200, self.headers)


def _show(logprobs: Any, token: str) -> None:
    """Put a token before the first one's candidates."""
    if "content" in logprobs:
        logprobs["content"][0]["top_logprobs"].insert(0, {"token": token, "logprob": 0.0})
    else:
        logprobs["top_logprobs"][0][token] = 0.0


PROVIDERS = {
    "openai": (
        {
            "/models": "models",
            "/completions": "not_a_completions_model",
            "/chat/completions": "chat",
            "/fine_tuning/jobs": "jobs",
        },
        "unknown_url",
    ),
    "azure": ({"/models": "models", "/chat/completions": "chat"}, "no_deployment"),
    "vllm": (
        {
            "/models": "models",
            "/completions": "completion",
            "/chat/completions": "chat",
            "/tokenize": "tokens",
        },
        "missing",
    ),
}
