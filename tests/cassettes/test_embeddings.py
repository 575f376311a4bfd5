"""Embeddings in a cassette: a row a text, judged before it is stored, whatever the coding."""

import base64
import gzip
import json
import struct

import pytest

from tunebench.cassettes import differences, inspect
from tunebench.errors import CassetteError, CassetteMissError, RequestError

from .reviews import PROMPTS, TEXTS, rows

FIELDS = {"model": "m"}


def vectors(replies):
    return [vector for reply in replies for vector in reply.vectors]


def test_rows_are_of_one_text_and_do_not_depend_on_the_batch(loopback, recording, replaying, path):
    with recording(PROMPTS) as (client, _):
        recorded = client.embed("m", TEXTS, {})
    assert [len(asked.prompts) for asked in loopback.asked] == [20, 20, 5]
    stored = rows(path)
    assert [row["item"] for row in stored] == list(PROMPTS)
    assert all(set(row["answer"]) == {"embedding"} for row in stored)
    assert not any(text in path.read_text() for text in TEXTS)
    with replaying(PROMPTS) as (client, cassette):
        assert vectors(client.embed("m", TEXTS[::-1][:7], {})) == vectors(recorded)[::-1][:7]
        assert cassette.totals().prompt_tokens == 5 * 7
    assert len(loopback.asked) == 3


def test_only_what_is_missing_is_asked(loopback, recording, path):
    with recording(PROMPTS) as (client, _):
        client.embed("m", TEXTS[:3], {})
    with recording(PROMPTS) as (client, cassette):
        lacking = cassette.lacking("POST embeddings", FIELDS, TEXTS[:5])
        assert lacking == TEXTS[3:5]
        client.embed("m", lacking, {})
    assert len(rows(path)) == 5


@pytest.mark.parametrize("change", [{"dimensions": 4}, {"encoding_format": "base64"}])
def test_parameters_are_part_of_the_key_and_named_in_a_miss(recording, replaying, change):
    with recording(PROMPTS) as (client, _):
        client.embed("m", TEXTS[:1], change)
    with replaying(PROMPTS) as (client, _):
        assert len(vectors(client.embed("m", TEXTS[:1], change))) == 1
        with pytest.raises(CassetteMissError, match=next(iter(change))):
            client.embed("m", TEXTS[:1], {})


def test_compressed_base64_is_recorded_as_plain_lists_are(
    loopback, recording, replaying, said, path
):
    with recording(PROMPTS) as (client, _):
        client.embed("m", TEXTS, {})
    plain = [row["answer"] for row in rows(path)]
    path.unlink()

    def packed(asked):
        answer = loopback.embed(asked).body
        for one in answer["data"]:
            numbers = one["embedding"]
            one["embedding"] = base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
        return said(gzip.compress(json.dumps(answer).encode()), 200, {"Content-Encoding": "gzip"})

    loopback.answer = packed
    with recording(PROMPTS) as (client, _):
        client.embed("m", TEXTS, {})
    assert [row["answer"] for row in rows(path)] == plain


@pytest.mark.parametrize(
    ("answer", "status", "sentence"),
    [
        ({"data": [{"embedding": [1]}]}, 200, "2 texts were sent and 1 embeddings came back"),
        ({"data": [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1, 2]}]}, 200,
         "data[1].embedding has 2 numbers, and the one of the first text 1"),
        ({"data": [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": "?"}]}, 200,
         'data[1].embedding is "?", which is not base64'),
        ({"error": {"message": "This server does not support embeddings."}}, 501,
         "the provider answered 501 (This server does not support embeddings.); if the model makes "
         "no embeddings, or none of texts as long as these, name another in [[rival]]."),
        ({"error": {"message": "not for this one"}}, 400, "name another in [[rival]]."),
        ({"error": {"message": "Not Found"}}, 404, "name another in [[rival]]."),
        ({"error": {"message": "no model 'm'"}}, 404, "check the model's `id`"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_a_sentence_and_not_stored(
    loopback, recording, said, path, answer, status, sentence
):
    loopback.answer = lambda _: said(answer, status)
    with recording(PROMPTS) as (client, _), pytest.raises(RequestError) as raised:
        client.embed("m", TEXTS[:2], {})
    message = str(raised.value)
    assert message.startswith(f"model 'm' at {loopback.url}, texts 1-2 of 2: ")
    assert sentence in message
    assert not path.exists()


def test_a_changed_row_is_refused_with_its_line(recording, replaying, path):
    with recording(PROMPTS) as (client, _):
        client.embed("m", TEXTS[:2], {})
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"embedding":"', b'"embedding":"A')
    path.write_bytes(b"".join(lines))
    with replaying(PROMPTS) as (client, _), pytest.raises(CassetteError, match="line 3"):
        client.embed("m", TEXTS[:1], {})
    assert "line 3" in inspect(path).problems[0]


def test_embeddings_that_changed_are_differences(recording, path):
    with recording(PROMPTS) as (client, _):
        client.embed("m", TEXTS[:2], {})
    old = list(inspect(path).rows.values())
    other = old[1].row._replace(answer={"embedding": "AAAAAA=="})
    new = [old[0], type(old[1])(other, old[1].request)]
    found = differences(old, new)["changed"]
    assert [(one["of"], one["what"]) for one in found] == [(old[1].row.item, "answer")]
