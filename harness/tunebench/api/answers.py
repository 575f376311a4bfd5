"""What a request for completions or for a chat holds.

A text is asked as a prompt (``completions``), messages as a conversation (``chat/completions``).
What its answer says is read by `tunebench.wire`, from its JSON rather than through the `openai`
package's models, which costs a third less a request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunebench.errors import RequestError
from tunebench.wire import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Answer", "Prompt", "RequestError", "endpoint_of", "request_of"]

# A text, or the messages of a conversation.
Prompt = str | list[dict[str, str]]


def endpoint_of(prompt: Prompt) -> str:
    """The path below the API root at which a prompt is asked."""
    return "/completions" if isinstance(prompt, str) else "/chat/completions"


def request_of(prompts: Sequence[Prompt], *, lists: bool) -> tuple[str, dict[str, Any]]:
    """The path of a request below the API root, and the field of its body that asks.

    Args:
        prompts: one text or more, or the messages of one conversation.
        lists: whether the provider takes lists of texts.
    """
    first = prompts[0]
    if not isinstance(first, str):
        return endpoint_of(first), {"messages": first}
    return endpoint_of(first), {"prompt": list(prompts) if lists else first}
