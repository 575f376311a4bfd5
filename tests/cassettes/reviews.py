"""Texts to ask about, and what a cassette holds of them."""

import json
from pathlib import Path
from typing import Any

LONG = "a review that is long enough not to stand in an answer by chance"
PROMPTS = {f"item-{i}": f"{LONG}, number {i}" for i in range(45)}
TEXTS = list(PROMPTS.values())


def texts(replies: Any) -> list[str]:
    """The texts of all answers, in order."""
    return [answer.text for reply in replies for answer in reply.answers]


def lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a cassette but for its header; none where there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()[1:]] if path.exists() else []


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a cassette."""
    return [line for line in lines(path) if "prompt" in line]


def requests(path: Path) -> list[dict[str, Any]]:
    """What the rows of a cassette have in common."""
    return [line for line in lines(path) if "digest" in line]


def answers(path: Path) -> dict[tuple[str, str], Any]:
    """The answers of a cassette by their keys."""
    return {(row["request"], row["prompt"]): row["answer"] for row in rows(path)}
