"""Cassettes of format 1 are read request by request, or refused with their line."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunebench.cassettes.fingerprint import fingerprint, text_sha256
from tunebench.cassettes.first_format import converted, first_format_header
from tunebench.errors import CassetteError
from tunebench.wire import Answer

from ..json_values import NOTHING, changed, json_values, paths
from .film_rows import HEADER, opened

OLD_HEADER = {"cassette": 1, "experiment": "films", "recording": "m-1shot"}
TEXTS = ["first film", "second film"]


def old_row(endpoint: str = "POST completions", **other: Any) -> dict[str, Any]:
    """A request of format 1, of two prompts."""
    choices = [{"index": i, "text": f" {i}", "finish_reason": "stop"} for i in (1, 0)]
    usage = {"prompt_tokens": 20, "completion_tokens": 2}
    return {
        "key": "0" * 64,
        "endpoint": endpoint,
        "model": "m",
        "items": ["item-0", "item-1"],
        "parameters": {"max_tokens": 1},
        "prompt_sha256": [text_sha256(text) for text in TEXTS],
        "status": 200,
        "latency_ms": 7.5,
        "recorded_at": "2026-11-22T12:00:00+00:00",
        "server": "fp",
        "body": {"model": "m", "choices": choices, "usage": usage, "system_fingerprint": "fp"},
    } | other


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m-1shot.jsonl"


def write(path: Path, *rows: Any, end: str = "\n") -> Path:
    path.write_text("\n".join(map(json.dumps, [OLD_HEADER, *rows])) + end)
    return path


def test_a_request_becomes_a_row_for_each_of_its_prompts(path: Path) -> None:
    (one,) = converted(write(path, old_row()), {"user": "me"})
    body = {"model": "m", "max_tokens": 1, "user": "me", "prompt": TEXTS}
    asked = fingerprint("POST", "completions", json.dumps(body).encode())
    assert one.number == 2
    assert one.line == asked.line("fp", "m")
    assert [row.prompt for row in one.rows] == asked.prompt_sha256
    assert [row.item for row in one.rows] == ["item-0", "item-1"]
    assert {(row.latency_ms, row.prompts, row.usage) for row in one.rows} == {(7.5, 2, (20, 2))}
    assert [row.answer for row in one.rows] == [
        {"text": " 0", "finish_reason": "stop"},
        {"text": " 1", "finish_reason": "stop"},
    ]
    assert one.answers == {
        sha256: Answer(f" {i}", "stop") for i, sha256 in enumerate(asked.prompt_sha256)
    }


def test_tokens_and_other_requests_are_rows_of_their_own(path: Path) -> None:
    tokens = old_row("POST tokenize", body={"tokens": [7], "count": 1}, items=[],
                     prompt_sha256=[text_sha256("a")])  # fmt: skip
    states = [
        old_row("GET fine_tuning/jobs/ft-1", body={"id": "ft-1", "status": status}, items=[],
                prompt_sha256=[], model="", parameters={})
        for status in ("running", "failed")
    ]  # fmt: skip
    found = list(converted(write(path, tokens, *states), {}))
    assert found[0].rows[0].answer == {"tokens": [7]}
    assert [one.rows[0].answer["status"] for one in found[1:]] == ["running", "failed"]
    assert [one.rows[0].prompt for one in found] == [text_sha256(text) for text in ("a", "0", "1")]
    assert [one.answers for one in found] == [{}, {}, {}]


def test_a_torn_last_line_counts_for_nothing(path: Path) -> None:
    assert len(list(converted(write(path, old_row(), old_row(), end=""), {}))) == 1


def test_a_key_that_an_answer_echoed_is_taken_out(path: Path, monkeypatch) -> None:
    key = "sk-made-up-key-0123456789"
    monkeypatch.setattr("tunebench.errors.text._secrets", {key})
    body = old_row()["body"] | {"system_fingerprint": f"fp {key}"}
    body["choices"][0]["text"] = f"key {key}"
    (one,) = converted(write(path, old_row(body=body)), {})
    assert key not in repr([one.line, one.rows])


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (
            {"body": {"error": {"message": "busy"}}},
            "the provider answered with an error: busy; take",
        ),
        ({"body": {"choices": []}}, "2 prompts were asked and 0 choices came back; "),
        ({"body": 7}, "the answer is not a JSON object"),
        (
            {"status": "200"},
            "this is not a row of a cassette; restore the file from version control",
        ),
        ({"prompt_sha256": [7, 8]}, "this is not a row of a cassette"),
        ({"prompt_sha256": ["a", "b"]}, "this is not a row of a cassette"),
        ({"items": [7, 8]}, "this is not a row of a cassette"),
        ({"recorded_at": "yesterday"}, "this is not a row of a cassette"),
        ({"latency_ms": float("nan")}, "this is not a row of a cassette"),
        ({"more": 1}, "this is not a row of a cassette"),
        ({"endpoint": "POST embeddings"}, "this is not a row of a cassette"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(path: Path, other: Any, said: str) -> None:
    write(path, old_row(), old_row(**other))
    with pytest.raises(CassetteError) as raised:
        list(converted(path, {}))
    assert str(raised.value).startswith(f"{path}, line 3: {said}")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_a_line_holds_its_rows_can_be_written_and_read_or_it_is_named(
    data: Any, path: Path, tmp_path: Path
) -> None:
    old = old_row()
    place = data.draw(st.sampled_from(paths(old)))
    write(path, changed(old, place, data.draw(st.just(NOTHING) | json_values)))
    new = tmp_path / "new.jsonl"
    new.unlink(missing_ok=True)
    file = opened(new)
    file.start_recording()
    try:
        for one in converted(path, {}):
            file.append(one.line, one.rows)
            assert {row.key for row in one.rows} == {stored.row.key for stored in file.rows()}
    except CassetteError as error:
        said = str(error)
    else:
        said = f"{path}, line 2: "
    finally:
        file.close()
    assert said.startswith(f"{path}, line 2: ")


@pytest.mark.parametrize(
    "content",
    [
        HEADER,
        b"",
        b"[]\n",
        b"{}\n",
        b'{"cassette": 1}\n',
        b"[" * 100_000 + b"\n",
        b"\xff\n",
        b"1\n",
    ],
)
def test_any_other_file_is_none_of_format_1(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert first_format_header(path) is None
    with pytest.raises(CassetteError, match="the cassette is not a regular file"):
        first_format_header(path.parent)


def test_the_header_of_format_1_is_read(path: Path) -> None:
    assert first_format_header(write(path)) == OLD_HEADER
