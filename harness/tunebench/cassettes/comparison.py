"""The differences between two recordings.

Answers to texts are compared by item, all others by the key of their row; times are not compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunebench.wire import within

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tunebench.cassettes.inspection import InspectedRow


def differences(old: Iterable[InspectedRow], new: Iterable[InspectedRow]) -> dict[str, Any]:
    """Compare the rows of two cassettes.

    Returns:
        ``only_old`` and ``only_new``: item ids or requests that only one has. ``changed``: of each
        answer that differs ``of`` (item id or request), ``what`` (``text``, ``logprobs``,
        ``model``, ``server``, ``parameters``, ``prompt_sha256`` or ``answer``), ``old`` and
        ``new``, which are null for the last kind, answers to other requests than those of texts.
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
    """The compared values, by item id or request; each round of an item on its own."""
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
        while name in found:  # labels that begin alike take several rounds
            number += 1
            name = f"{row.item} (round {number})"
        answer = {
            "text": _text(row.answer),
            "logprobs": within(row.answer, "logprobs", "top_logprobs", 0),
        }
        if within(row.answer, "embedding") is not None:
            answer = {"answer": row.answer}
        found[name] = {**answer, **common, "prompt_sha256": row.prompt}
    return found


def _shown(what: str, value: Any) -> Any:
    return None if what == "answer" else value


def _text(choice: Any) -> Any:
    text = within(choice, "text")
    return within(choice, "message", "content") if text is None else text
