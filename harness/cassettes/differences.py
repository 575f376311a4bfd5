"""What two recordings of one thing answer differently.

Answers to texts are compared by item, also where they came in other requests; all others by the
key of their request. Where a cassette holds several answers to one, its last counts. Times do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def differences(
    old: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """Compare the rows of two cassettes.

    Args:
        old: rows, as JSON.
        new: the others.

    Returns:
        ``only_old`` and ``only_new``: what one has alone, item ids or requests. ``changed``: of
        each answer that differs ``of`` (item id or request), ``what`` (``text``, ``logprobs``,
        ``model``, ``server``, ``parameters``, ``prompt_sha256`` or ``answer``), ``old`` and
        ``new``. The last kind, of answers to other requests than those of texts, tells no values.
    """
    first, second = _answers(old), _answers(new)
    return {
        "only_old": [name for name in first if name not in second],
        "only_new": [name for name in second if name not in first],
        "changed": [
            {"of": name, "what": what, "old": _shown(what, value), "new": _shown(what, other)}
            for name in first
            if name in second
            for what, value in first[name].items()
            if value != (other := second[name].get(what))
        ],
    }


def _answers(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What is compared, by item id or request."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        common = {name: row[name] for name in ("model", "server", "parameters")}
        body, items = row["body"], row["items"]
        choices = body.get("choices") if isinstance(body, dict) else None
        if isinstance(choices, list) and len(choices) == len(items) == len(row["prompt_sha256"]):
            ordered = sorted(choices, key=lambda choice: choice.get("index", 0))
            for item, sha, choice in zip(items, row["prompt_sha256"], ordered, strict=True):
                found[item] = {"text": _text(choice), "logprobs": _logprobs(choice), **common}
                found[item]["prompt_sha256"] = sha
        else:
            found[f"{row['endpoint']} ({row['key'][:8]})"] = {**common, "answer": body}
    return found


def _shown(what: str, value: Any) -> Any:
    return None if what == "answer" else value


def _text(choice: Mapping[str, Any]) -> Any:
    return choice["text"] if "text" in choice else (choice.get("message") or {}).get("content")


def _logprobs(choice: Mapping[str, Any]) -> Any:
    """The first token's candidates by their text."""
    logprobs = choice.get("logprobs") or {}
    if tops := logprobs.get("top_logprobs"):
        return tops[0]
    if tokens := logprobs.get("content"):  # as chat completions have them
        return {one["token"]: one["logprob"] for one in tokens[0].get("top_logprobs") or ()}
    return None
