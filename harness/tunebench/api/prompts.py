"""Prompts: a text goes to ``completions``, messages go to ``chat/completions``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# A text, or the messages of a conversation.
Prompt = str | list[dict[str, str]]


def endpoint_of(prompt: Prompt) -> str:
    """The path of a prompt's requests below the API root."""
    return "/completions" if isinstance(prompt, str) else "/chat/completions"


def request_of(prompts: Sequence[Prompt], *, lists: bool) -> tuple[str, dict[str, Any]]:
    """The path below the API root and the body's field of texts, or of one conversation."""
    first = prompts[0]
    if not isinstance(first, str):
        return endpoint_of(first), {"messages": first}
    return endpoint_of(first), {"prompt": list(prompts) if lists else first}


def estimated_tokens(prompts: Iterable[Prompt], parameters: Mapping[str, Any]) -> int:
    """The tokens of a request as providers estimate them: prompts and `max_tokens`.

    Four bytes of UTF-8 count as a token, which is usual in English.
    """
    most = parameters.get("max_completion_tokens") or parameters.get("max_tokens") or 0
    return sum(len(_text(prompt).encode(errors="replace")) // 4 + 1 + most for prompt in prompts)


def _text(prompt: Prompt) -> str:
    return prompt if isinstance(prompt, str) else "".join(part["content"] for part in prompt)
