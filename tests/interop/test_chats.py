"""Chats recorded at servers that others wrote, and replayed when they are gone."""

import pytest

pytestmark = pytest.mark.interop

BOTH_RULES = ["text", "label_logprobs"]


def test_llama_cpp_chats_are_recorded_and_replayed_by_both_rules(llama_cpp, project) -> None:
    made = project(llama_cpp, endpoint="chat", supports=["logprobs"], rules=BOTH_RULES)
    made.record_and_replay(4)


def test_transformers_serve_chats_are_recorded_and_replayed_by_text(
    transformers_serve, project
) -> None:
    made = project(transformers_serve, endpoint="chat", supports=[], rules=["text"])
    made.record_and_replay(2)
