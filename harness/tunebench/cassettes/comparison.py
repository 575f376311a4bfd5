"""What two recordings of one thing answer differently.

Answers to texts are compared by item; all others by the key of their row. Times do not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tunebench.cassettes.inspection import InspectedRow


def differences(old: Iterable[InspectedRow], new: Iterable[InspectedRow]) -> dict[str, Any]:
    """Compare the rows of two cassettes.

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


def _answers(rows: Iterable[InspectedRow]) -> dict[str, dict[str, Any]]:
    """What is compared, by item id or request; each round of an item on its own."""
    found: dict[str, dict[str, Any]] = {}
    for one in rows:
        row, request = one.row, one.request
        common = {
            "model": request.model,
            "server": request.server,
            "parameters": dict(request.parameters or {}),
        }
        if row.item is None:
            name = f"{request.endpoint} ({row.key[:8]})"
            found[name] = {**common, "answer": row.answer}
            continue
        name, number = row.item, 1
        while name in found:  # labels that begin alike are asked for in rounds
            number += 1
            name = f"{row.item} (round {number})"
        answer = {"text": _text(row.answer), "logprobs": _logprobs(row.answer)}
        found[name] = {**answer, **common, "prompt_sha256": row.prompt}
    return found


def _shown(what: str, value: Any) -> Any:
    return None if what == "answer" else value


def _text(choice: Any) -> Any:
    text = _within(choice, "text")
    return _within(choice, "message", "content") if text is None else text


def _logprobs(choice: Any) -> Any:
    """The first token's candidates by their text."""
    tops = _within(choice, "logprobs", "top_logprobs")
    return tops[0] if isinstance(tops, list) and tops else None


def _within(value: Any, *names: str) -> Any:
    """A value within objects; None where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
