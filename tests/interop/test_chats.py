"""Chats recorded at servers that others wrote, and replayed when they are gone."""

import pytest

pytestmark = pytest.mark.interop

TABLE = '[provider.other]\nbase_url = "{}"\nendpoint = "chat"\nsupports = {}'


def test_llama_cpp_chats_are_recorded_and_replayed_by_both_rules(llama_cpp, project) -> None:
    table = TABLE.format(llama_cpp.url, ["logprobs"])
    made = project(llama_cpp, table=table, rules=["text", "label_logprobs"])
    made.record_and_replay(4)


def test_transformers_serve_chats_are_recorded_and_replayed_by_text(
    transformers_serve, project
) -> None:
    made = project(
        transformers_serve, table=TABLE.format(transformers_serve.url, []), rules=["text"]
    )
    made.record_and_replay(2)
