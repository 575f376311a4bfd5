"""Presets of providers: what the key ``preset`` of a ``[provider]`` table fills in.

Each comes from the provider's own documentation or source in November 2026, at the addresses in
its comment. What is not documented is left out, so a preset may claim less than its provider can
do; `tunebench doctor` asks the provider itself, and the keys of the table win.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Capability = Literal["lists", "logprobs", "logit_bias", "tokenize", "fine_tuning"]
Endpoint = Literal["completions", "chat"]
MaxTokensField = Literal["max_tokens", "max_completion_tokens"]
PresetName = Literal[
    "local",
    "openai",
    "azure",
    "vllm",
    "llama-cpp",
    "llama-cpp-python",
    "ollama",
    "lm-studio",
    "together",
    "nebius",
]


@dataclass(frozen=True)
class Preset:
    """Values of the keys that a ``[provider]`` table leaves out.

    Attributes:
        note: what the provider lacks, or what a user has to do, a sentence.
        base_url: its API root; None where each user has another.
        own_url: the form of that one.
        api_key_env: the environment variable that usually holds its key; None where it needs none.
        endpoint: the kind of its requests.
        supports: its capabilities for such requests.
        max_tokens_field: the field that limits a chat answer's length.
        fine_tuning: ``openai`` for OpenAI's fine-tuning API from the upload to the model's answers,
            ``other`` for one that tunebench cannot follow to its end, ``none`` for none.
        started: whether a recording starts it on this machine.
    """

    note: str
    base_url: str | None = None
    own_url: str | None = None
    api_key_env: str | None = None
    endpoint: Endpoint = "completions"
    supports: tuple[Capability, ...] = ()
    max_tokens_field: MaxTokensField = "max_tokens"
    fine_tuning: Literal["openai", "other", "none"] = "none"
    started: bool = False

    def table(self) -> dict[str, Any]:
        """The keys of a ``[provider]`` table that it fills."""
        trains: list[Capability] = ["fine_tuning"] if self.fine_tuning == "openai" else []
        filled: dict[str, Any] = {
            "endpoint": self.endpoint,
            "supports": [*self.supports, *trains],
            "max_tokens_field": self.max_tokens_field,
        }
        if self.base_url is not None:
            filled["base_url"] = self.base_url
        if self.api_key_env is not None:
            filled["api_key_env"] = self.api_key_env
        return filled


PRESETS: dict[str, Preset] = {
    # tunebench.server
    "local": Preset(
        note="a recording starts it on this machine with the models of the experiment, and stops "
        "it at its end; `tunebench serve` starts it by hand",
        base_url="http://127.0.0.1:8017/v1",
        supports=("lists", "logprobs", "logit_bias", "tokenize"),
        fine_tuning="openai",
        started=True,
    ),
    # developers.openai.com/api/docs/deprecations (fine-tuning), and the types of the package
    # openai 3.54, which are made from the API's specification
    "openai": Preset(
        note="its chat models answer no completions and no lists of prompts, it has no /tokenize, "
        "and it takes no new self-serve fine-tuning jobs from 2027-01-06 on",
        base_url="https://api.openai.com/v1",
        api_key_env="OPENAI_API_KEY",
        endpoint="chat",
        supports=("logprobs", "logit_bias"),
        max_tokens_field="max_completion_tokens",
        fine_tuning="openai",
    ),
    # learn.microsoft.com/azure/foundry/openai/api-version-lifecycle (address and key),
    # learn.microsoft.com/azure/ai-services/openai/how-to/fine-tuning-deploy
    "azure": Preset(
        note="a model is asked by the name of its deployment, and a fine-tuned one has to be "
        "deployed, for an hourly charge, before it answers, which tunebench does not do",
        own_url="https://NAME.openai.azure.com/openai/v1",
        api_key_env="AZURE_OPENAI_API_KEY",
        endpoint="chat",
        supports=("logprobs", "logit_bias"),
        max_tokens_field="max_completion_tokens",
        fine_tuning="other",
    ),
    # docs.vllm.ai/en/stable/serving/openai_compatible_server/,
    # github.com/vllm-project/vllm: vllm/entrypoints/openai/completion/protocol.py,
    # docs.vllm.ai/en/stable/configuration/engine_args/ (--logprobs-mode)
    "vllm": Preset(
        note="it serves fine-tuned models and trains none, and shows log-probabilities before "
        "logit_bias unless it was started with --logprobs-mode processed_logprobs; list "
        "'logit_bias' in `supports` then",
        base_url="http://127.0.0.1:8000/v1",
        supports=("lists", "logprobs", "tokenize"),
    ),
    # github.com/ggml-org/llama.cpp: tools/server/README.md, issue 11346 (completions without log-
    # probabilities), pull request 10783 (chat with them)
    "llama-cpp": Preset(
        note="its log-probabilities come with chat only, and its /tokenize has another form than "
        "vLLM's",
        base_url="http://127.0.0.1:8080/v1",
        supports=("logit_bias",),
    ),
    # The package llama-cpp-python 0.3.36: llama_cpp/server/app.py and settings.py; its server as it
    # answers in tests/interop
    "llama-cpp-python": Preset(
        note="its log-probabilities do not show what logit_bias changes, and are not given if it "
        "was started with --logits_all false; it takes one prompt a request, and has no /tokenize "
        "of vLLM's form",
        base_url="http://127.0.0.1:8000/v1",
        supports=("logprobs",),
    ),
    # github.com/ollama/ollama: docs/api/openai-compatibility.mdx, issues 3795 and 16117
    "ollama": Preset(
        note="its documentation lists neither log-probabilities nor logit_bias for /v1, and one "
        "prompt a request",
        base_url="http://127.0.0.1:11434/v1",
    ),
    # lmstudio.ai/docs/developer/openai-compat
    "lm-studio": Preset(
        note="its documentation lists no log-probabilities for /v1, and no /tokenize",
        base_url="http://127.0.0.1:1234/v1",
    ),
    # docs.together.ai/docs/inference/openai-compatibility,
    # github.com/togethercomputer/openapi: openapi.yaml (which still names api.together.xyz)
    "together": Preset(
        note="its fine-tuning API is not OpenAI's (/fine-tunes), so tunebench cannot run its jobs",
        base_url="https://api.together.ai/v1",
        api_key_env="TOGETHER_API_KEY",
        supports=("logit_bias",),
        fine_tuning="other",
    ),
    # docs.tokenfactory.nebius.com: api-reference/inference/create-completion,
    # api-reference/fine-tuning/create-a-fine-tuning-job, post-training/how-to-fine-tune
    "nebius": Preset(
        note="its fine-tuning jobs take an absolute learning_rate, document no metadata by which "
        "tunebench could find them again, and end in checkpoints to be deployed by hand",
        base_url="https://api.tokenfactory.nebius.com/v1",
        api_key_env="NEBIUS_API_KEY",
        supports=("lists", "logprobs", "logit_bias"),
        fine_tuning="other",
    ),
}


def is_started(name: str, preset: str | None) -> bool:
    """Whether a recording starts a provider; a table named ``local`` needs no preset for that."""
    known = PRESETS.get(preset or name)
    return known is not None and known.started


def started_at(base_url: str) -> bool:
    """Whether an API root is the usual one of a provider that a recording starts."""
    return any(one.started and one.base_url == base_url.rstrip("/") for one in PRESETS.values())
