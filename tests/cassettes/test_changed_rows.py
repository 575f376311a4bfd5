"""Whatever a line is changed into, replay gives the same answers or names the line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tunebench.api import Answer, Client
from tunebench.cassettes import CassetteFile, use_cassette
from tunebench.cassettes.fingerprint import fingerprint, prompt_text, text_sha256
from tunebench.errors import CassetteError

from ..cassette_lines import line_of
from ..json_values import NOTHING, changed, json_values, paths
from .film_rows import HEADER, fields_of, written_line, written_row

TEXTS = ["first film", "second film"]
CHAT = [{"role": "user", "content": "first film"}]
TOP = {" Positive": -0.25, " Negative": -1.5}


class Recorded:
    """A cassette of completions with candidates, of a chat and of tokens; and who asks for them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = [HEADER]
        legacy = {
            "text": " Positive",
            "finish_reason": "length",
            "logprobs": {"top_logprobs": [TOP]},
        }
        said = {"message": {"content": "Negative"}, "finish_reason": "stop"}
        self._add("completions", {"model": "m", "logprobs": 2}, TEXTS, legacy)
        self._add("chat/completions", {"model": "m"}, [CHAT], said)
        tokens = {"model": "m", "add_special_tokens": False}
        self._add("tokenize", tokens, [" Positive"], {"tokens": [7, 8]})
        self.client = Client("http://127.0.0.1:9/v1", "replay", offline=True)

    def _add(self, endpoint: str, fields: Any, prompts: list[Any], answer: Any) -> None:
        asked = fingerprint("POST", endpoint, json.dumps(fields).encode())
        line = asked.line("fp", "m")
        self.lines.append(written_line(line))
        for number, prompt in enumerate(prompts):
            sha256 = text_sha256(prompt_text(prompt))
            self.lines.append(written_row(number, line, prompt=sha256, answer=answer))

    def replay(self) -> Any:
        """The answers, or what is said instead."""
        try:
            file = CassetteFile(self.path, experiment="films", recording="m-1shot")
            try:
                with use_cassette(file, before_send=None, items={}, hint="record it") as cassette:
                    completions = self.client.complete("m", TEXTS, {"logprobs": 2})
                    chats = self.client.complete("m", [CHAT], {})
                    tokens = self.client.tokenize("m", " Positive")
                    totals = cassette.totals()
            finally:
                file.close()
        except CassetteError as error:
            return str(error)
        json.dumps([vars(totals), completions[0].prompt_tokens], default=str, allow_nan=False)
        return [*completions[0].answers, *chats[0].answers, tokens]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """What is recorded; a test writes its own file."""
    recorded = Recorded(tmp_path_factory.mktemp("changed") / "m-1shot.jsonl")
    yield recorded
    recorded.client.close()


ANSWERS = [
    *(Answer(" Positive", "length", TOP),) * 2,
    Answer("Negative", "stop"),
    [7, 8],
]
reusing = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
)


def test_what_is_not_changed_is_replayed(recorded: Recorded) -> None:
    recorded.path.write_bytes(b"".join(recorded.lines))
    assert recorded.replay() == ANSWERS


# Lines 2, 5 and 7 describe requests; the others are rows.
@settings(max_examples=120, parent=reusing)
@given(data=st.data())
def test_any_value_in_any_field_of_a_line(recorded: Recorded, data: Any) -> None:
    number = data.draw(st.integers(2, len(recorded.lines)))
    fields = fields_of(recorded.lines[number - 1])
    new_places = [("extra",)]
    if "answer" in fields:
        new_places += [("answer", "index"), ("answer", "error"), ("answer", "extra")]
    anything = st.tuples(st.sampled_from(paths(fields)), st.just(NOTHING) | json_values)
    path, new = data.draw(anything | st.tuples(st.sampled_from(new_places), json_values))
    lines = list(recorded.lines)
    lines[number - 1] = line_of(changed(fields, path, new))
    recorded.path.write_bytes(b"".join(lines))
    said = recorded.replay()
    if said == ANSWERS:
        return
    if isinstance(said, str):
        # Of another prompt, or another request, it is missed.
        missed = path[0] in ("prompt", "request", "digest") and "record it" in said
        assert missed or f"{recorded.path}, line " in said
    else:
        # What was answered may be another answer, but not one that could not have been stored.
        assert path[0] == "answer"
        stored = changed(fields, path, new)["answer"]
        assert is_stored_form(stored)
        position = {3: 0, 4: 1, 6: 2, 8: 3}[number]
        assert (
            said[:position] + said[position + 1 :] == ANSWERS[:position] + ANSWERS[position + 1 :]
        )


def is_stored_form(answer: Any) -> bool:
    if answer.keys() == {"tokens"}:
        return all(type(token) is int for token in answer["tokens"])
    text = answer["text"] if "text" in answer else answer["message"]["content"]
    return isinstance(text, str) and answer["finish_reason"] in ("stop", "length", "content_filter")


@pytest.mark.parametrize(
    ("number", "path", "new"),
    [
        (3, ("answer", "index"), 1),
        (3, ("answer", "index"), 0),
        (3, ("answer", "finish_reason"), "eos"),
        (3, ("answer", "text"), None),
        (3, ("answer", "text"), "\ud800"),
        (3, ("answer",), []),
        (3, ("answer",), "text"),
        (3, ("answer", "logprobs"), None),
        (3, ("answer", "logprobs", "top_logprobs", 0, " Positive"), float("nan")),
        (3, ("answer", "error"), {"message": "made up"}),
        (3, ("usage", 0), 10**400),
        (3, ("usage", 1), True),
        (3, ("usage",), [1, 2, 3]),
        (3, ("latency_ms",), float("inf")),
        (3, ("latency_ms",), 10**400),
        (3, ("latency_ms",), float("nan")),
        (3, ("prompts",), 0),
        (3, ("recorded_at",), "yesterday"),
        (3, ("item",), 7),
        (6, ("answer", "message", "content"), ["Negative"]),
        (6, ("answer", "message", "refusal"), "refused"),
        (8, ("answer", "tokens"), ["7"]),
        (8, ("answer", "count"), 2),
        (8, ("answer",), "text"),
    ],
)
def test_a_field_that_no_recording_writes_is_named_by_its_line(
    recorded: Recorded, number: int, path: tuple[Any, ...], new: Any
) -> None:
    lines = list(recorded.lines)
    lines[number - 1] = line_of(changed(fields_of(lines[number - 1]), path, new))
    recorded.path.write_bytes(b"".join(lines))
    said = recorded.replay()
    assert isinstance(said, str)
    assert said.startswith(f"{recorded.path}, line {number}: the line is damaged (")


@settings(max_examples=60, parent=reusing)
@given(bit=st.integers(0, 8 * 1_700))
@example(bit=8 * 100)
def test_a_flipped_bit_is_replayed_as_before_missed_or_named(recorded: Recorded, bit: int) -> None:
    content = bytearray(b"".join(recorded.lines))
    content[bit // 8 % len(content)] ^= 1 << bit % 8
    recorded.path.write_bytes(content)
    said = recorded.replay()
    assert said == ANSWERS or (isinstance(said, str) and str(recorded.path) in said)
