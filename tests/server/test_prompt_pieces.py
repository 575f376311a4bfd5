"""How prompts are cut, kept and put together, without a model."""

from types import SimpleNamespace

import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

import torch

from tunebench.server.inference.completion import Work
from tunebench.server.inference.prefix import (
    LONGEST_PIECE,
    SHORTEST_PIECE,
    Prefix,
    PrefixCache,
    cut,
    pieces,
)
from tunebench.server.inference.queue import choose_batch
from tunebench.server.inference.sampling import SamplingParameters
from tunebench.server.inference.token_bytes import RunningText

LINE_END = 7
MODEL = SimpleNamespace(token_bytes=SimpleNamespace(ends_line=LINE_END.__eq__))


def cuts_of(ids):
    return cut(ids, LINE_END.__eq__)


def test_a_prompt_is_cut_after_line_ends_but_not_into_tiny_pieces():
    line = [1] * 39 + [LINE_END]
    assert cuts_of(line * 4 + [1]) == [80, 160]
    assert cuts_of(line) == []
    assert cuts_of(line * 2) == []


def test_a_prompt_without_line_ends_is_cut_at_the_longest_piece():
    assert cuts_of([1] * (2 * LONGEST_PIECE + 1)) == [LONGEST_PIECE, 2 * LONGEST_PIECE]
    assert cuts_of([1] * LONGEST_PIECE) == []


def test_the_last_token_is_never_in_the_head():
    ids = [1] * (SHORTEST_PIECE - 1) + [LINE_END]
    assert cuts_of(ids) == []
    assert cuts_of([*ids, 1]) == [SHORTEST_PIECE]
    assert pieces([*ids, 1], [SHORTEST_PIECE]) == [(0, 64), (64, 65)]


def test_cuts_depend_only_on_the_tokens_before_them():
    ids = ([1] * 50 + [LINE_END]) * 40
    whole = cuts_of(ids)
    for length in range(1, len(ids), 37):
        assert cuts_of(ids[:length]) == [place for place in whole if place < length]


def entry(size):
    return Prefix([(torch.zeros(size, dtype=torch.uint8), torch.zeros(0))], torch.zeros(0))


def test_the_cache_drops_the_least_recently_used_prefix():
    cache = PrefixCache(limit=100)
    for token in (1, 2):
        cache.put((token,), entry(40))
    assert cache.get((1,)) is not None
    cache.put((3,), entry(40))
    assert cache.get((2,)) is None
    assert cache.get((1,)) is not None
    assert cache.get((3,)) is not None


def test_a_prefix_larger_than_the_cache_is_kept_until_the_next():
    cache = PrefixCache(limit=100)
    cache.put((1,), entry(400))
    assert cache.get((1,)) is not None
    cache.put((2,), entry(10))
    assert (cache.get((1,)), len(cache)) == (None, 1)


def work(length, head=(), max_tokens=1):
    return Work(MODEL, (*head, *[1] * length), SamplingParameters(max_tokens=max_tokens))


def test_a_batch_holds_the_oldest_and_the_nearest_in_length():
    waiting = [work(10), work(60), work(11), work(9), work(30)]
    assert choose_batch(waiting, 33) == [waiting[0], waiting[2], waiting[3]]


def test_a_batch_shares_one_head_and_one_model():
    head = (*[2] * 80, LINE_END)
    waiting = [work(5, head), work(5), work(5, head), work(6, (*head[1:], 3, LINE_END))]
    assert choose_batch(waiting, 1000) == [waiting[0], waiting[2]]


def test_a_prompt_beyond_the_limit_is_computed_alone():
    waiting = [work(50), work(50)]
    assert choose_batch(waiting, 10) == waiting[:1]
    assert choose_batch(waiting, 0) == waiting[:1]


def test_a_batch_holds_no_more_prompts_that_continue_than_have_rows():
    waiting = [work(5, max_tokens=tokens) for tokens in (9, 9, 1, 9, 9, 1)]
    assert choose_batch(waiting, 1000, 2) == [waiting[0], waiting[1], waiting[2], waiting[5]]


def running(tokens, stop=()):
    spelled = SimpleNamespace(of=tokens.__getitem__, is_special=lambda i: tokens[i] == b"<end>")
    text = RunningText(spelled, stop)
    for token_id in range(len(tokens)):
        if not text.stopped:
            text.add(token_id)
    text.finish()
    return text


def test_a_character_in_several_tokens_appears_when_it_is_whole():
    assert running([b"\xf0\x9f", b"\x99\x82", b"!"]).text == "🙂!"
    assert running([b"a\xf0\x9f"]).text == "a\ufffd"


def test_special_tokens_are_not_part_of_the_text():
    assert running([b"a", b"<end>", b"b"], stop=["<end>"]).text == "ab"


def test_a_stop_text_may_end_inside_a_character_of_a_later_token():
    text = running([b"ab\xc3", b"\xa9cd"], stop=["bé"])
    assert (text.text, text.stopped) == ("a", True)
