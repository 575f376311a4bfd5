"""``tunebench doctor`` at servers that others wrote; its table records and replays there."""

import json
from typing import Any

import pytest

from tunebench.cli import main

pytestmark = pytest.mark.interop

UNSHOWN = "steers the answer but not the log-probabilities shown"
MODEL = "smollm2-135m"


@pytest.fixture
def examined(capsys, monkeypatch):
    """What the command finds at a server, by name and endpoint, and the table it prints."""

    def examined(server) -> tuple[dict[tuple[str, str | None], dict[str, Any]], str]:
        assert main(["doctor", server.url, "--provider", "other", "--model", MODEL, "--json"]) == 0
        (provider,) = json.loads(capsys.readouterr().out)["providers"]
        found = {(one["name"], one["endpoint"]): one for one in provider["findings"]}
        from tunebench.cli.doctor.findings import lines_of

        text = "\n".join(lines_of(provider))
        return found, text[text.index("[provider.other]") :]

    return examined


def absent(found: dict[tuple[str, str | None], dict[str, Any]]) -> set[tuple[str, str | None]]:
    return {key for key, one in found.items() if not one["found"]}


def test_what_llama_cpp_has_is_found_and_its_table_records_by_both_rules(
    llama_cpp, examined, project
) -> None:
    found, table = examined(llama_cpp)
    assert absent(found) == {
        ("lists", "completions"),
        ("logit_bias", "completions"),
        ("logit_bias", "chat"),
        ("max_completion_tokens", "chat"),
        ("tokenize", None),
        ("embeddings", None),
        ("fine_tuning", None),
        ("rate-limit headers", None),
    }
    assert found["lists", "completions"]["detail"].startswith("the provider answered 500")
    assert {found["logit_bias", kind]["detail"] for kind in ("completions", "chat")} == {UNSHOWN}
    assert 'supports = ["logprobs"]' in table

    made = project(llama_cpp, table=table, rules=["text", "label_logprobs"])
    results = made.record_and_replay(4)
    assert all(result["prompt_tokens"] > 0 for result in results)
    for shots in (0, 1):
        for row in made.rows(f"{MODEL}-{shots}shot-label_logprobs"):
            (top,) = row["answer"]["logprobs"]["top_logprobs"]
            assert len(top) == 5


def test_what_transformers_serve_lacks_is_found_and_its_table_records_by_text(
    transformers_serve, examined, project
) -> None:
    found, table = examined(transformers_serve)
    assert absent(found) - {("model listed", None)} == {
        ("lists", "completions"),
        ("logprobs", "completions"),
        ("logprobs", "chat"),
        ("logit_bias", "completions"),
        ("logit_bias", "chat"),
        ("tokenize", None),
        ("embeddings", None),
        ("fine_tuning", None),
        ("rate-limit headers", None),
    }
    lists = found["lists", "completions"]["detail"]
    assert lists.startswith("the provider answered 400 (prompt must be a string.)")
    assert found["logprobs", "completions"]["detail"] == "taken, but none given"
    assert found["model as asked", None]["detail"].removesuffix("@main") == MODEL
    assert "supports = []" in table

    made = project(transformers_serve, table=table, rules=["text"])
    results = made.record_and_replay(2)
    assert all(result["prompt_tokens"] > 0 for result in results)
