"""Cassettes as format 1 had them, made from recorded ones: a row was a whole request."""

import json
from itertools import groupby
from pathlib import Path
from typing import Any

from .cassette_lines import requests, rows

STATE = "GET fine_tuning/jobs/"


def downgrade(path: Path) -> None:
    """Turn a cassette into format 1."""
    known = {one["request"]: one for one in requests(path)}
    header = json.loads(path.read_bytes().splitlines()[0]) | {"cassette": 1}
    lines = [json.dumps(header)]
    mark = ""
    for _, group in groupby(rows(path), lambda row: (row["request"], row["latency_ms"])):
        together = list(group)
        request = known[together[0]["request"]]
        endpoint = request["endpoint"]
        if endpoint.startswith(("SENT", "REFUSED")):
            mark = request["parameters"]["metadata"]["tunebench_job"]
            found = {"object": "list", "data": [], "has_more": False}
            query = f"limit=100&metadata%5Btunebench_job%5D={mark}"
            search = {"endpoint": f"GET fine_tuning/jobs?{query}", "model": "", "parameters": {}}
            lines.append(_line(len(lines), search, [], found, together[0]))
            continue
        parameters = {name: v for name, v in request["parameters"].items() if name != "metadata"}
        old = {"endpoint": endpoint, "model": request["model"], "parameters": parameters}
        lines.append(_line(len(lines), old, together, _body(request, together), together[0]))
    path.write_text("".join(f"{line}\n" for line in lines))


def _body(request: dict[str, Any], together: list[dict[str, Any]]) -> Any:
    if not request["endpoint"].endswith("completions"):
        body = together[0]["answer"]
        return {**body, "organization_id": ""} if "id" in body else body
    choices = []
    for index, row in enumerate(together):
        choice = {"index": index, **row["answer"]}
        if "message" in choice and (top := (choice.get("logprobs") or {}).get("top_logprobs")):
            listed = [{"token": t, "logprob": v, "bytes": None} for t, v in top[0].items()]
            choice["logprobs"] = {"content": [{"token": "x", "top_logprobs": listed}]}
        choices.append(choice)
    prompt_tokens, completion_tokens = together[0]["usage"]
    return {
        "id": "cmpl-1",
        "model": request["answered_by"],
        "choices": choices,
        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens},
        "system_fingerprint": request["server"],
    }


def _line(
    number: int, request: dict[str, Any], together: list[dict[str, Any]], body: Any, one: Any
) -> str:
    has_prompt = request["endpoint"].startswith("POST") and "POST f" not in request["endpoint"]
    row = {
        "key": f"{number:064x}",
        "endpoint": request["endpoint"],
        "model": request["model"],
        "items": [row["item"] for row in together if row["item"] is not None],
        "parameters": request["parameters"],
        "prompt_sha256": [row["prompt"] for row in together] if has_prompt else [],
        "status": 200,
        "latency_ms": one["latency_ms"],
        "recorded_at": one["recorded_at"],
        "server": "",
        "body": body,
    }
    return json.dumps(row, separators=(",", ":"))
