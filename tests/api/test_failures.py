"""What is said where a provider gives no answer, or one that cannot be used."""

import functools
import gzip
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from tunebench.errors import RequestError

STOPPED = {"index": 0, "finish_reason": "stop"}
CHOICE = STOPPED | {"text": " a"}
COMPRESSION = "turn compression off at the provider, or at a proxy before it"
COMPRESSED = f" and could not be decoded; {COMPRESSION}"
PAY = "the account's quota is used up: raise it at the provider"
ROOT = "check that the address {url} is the API root"
CHATS = 'set endpoint = "chat" if it answers chats only, which `tunebench doctor` finds out'
LOG = "see the provider's log or documentation"
WHY = "the provider may have filtered the text: see its log"
CUT = (
    "; ask again, and if it stays so look for a time limit of the provider, or of a proxy before it"
)


@pytest.fixture
def sentence(loopback, connect, said) -> Callable[..., str]:
    """What is said of an answer to a prompt, after the model and the prompts."""

    def sentence(status: int, body: Any, headers: Any = None, *, root: str = "/v1", **how) -> str:
        loopback.answer = lambda _: said(body, status, headers or {})
        url = loopback.root + root
        with pytest.raises(RequestError) as raised:
            connect(url, **how).complete("m", ["a text"], {})
        said_of = f"model 'm' at {url}, prompts 1-1 of 1: "
        assert str(raised.value).startswith(said_of)
        assert "\n" not in str(raised.value)
        return str(raised.value).removeprefix(said_of)

    return sentence


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"<!doctype html><title>\n Sign in </title>", f"the answer is a web page, 'Sign in'; "
         f"{ROOT}, and that no proxy wants a login."),
        (b"<html>hello</html>", f"the answer is a web page; {ROOT}, and that no proxy wants a "
         "login."),
        (b"", "the answer is empty; ask again, and if it stays so see the provider's log."),
        (b"ok", f"the answer is not JSON; {ROOT}."),
        (b'{"choices"}', f"the answer is not JSON; {ROOT}."),
        (b'{"choices": [{"text": " a', f"the answer is cut off after 25 bytes{CUT}."),
        ([1], f"the answer is not a JSON object; {ROOT}."),
        (b"<title>" * 28_000, f"the answer is a web page; {ROOT}, and that no proxy wants a "
         "login."),
        (b"\n<TITLE lang='en'>Log\nin</TITLE>", f"the answer is a web page, 'Log in'; {ROOT}, and "
         "that no proxy wants a login."),
        (gzip.compress(b"{}", mtime=0), f"the answer is compressed (gzip){COMPRESSED}."),
        (zlib.compress(b"{}"), f"the answer is compressed (deflate){COMPRESSED}."),
        (b"\x28\xb5\x2f\xfd\x00", f"the answer is compressed (zstd){COMPRESSED}."),
        (b"\x0b\x00\x80{}\xff", "the answer is not text in UTF-8; if it is compressed, "
         f"{COMPRESSION}."),
        (b"[" * 100_000, f"the answer is not JSON; {ROOT}."),
        ({}, "one prompt was asked and no list of choices came back; is this the endpoint for "
         "completions?"),
        ({"choices": []}, f"one prompt was asked and 0 choices came back; {WHY}."),
        ({"choices": [CHOICE, CHOICE]}, f"one prompt was asked and 2 choices came back; {WHY}."),
        ({"choices": [{}]}, "choices[0].finish_reason is null, so the model did not come to the "
         "end of its answer; see the provider's log, and record again."),
        ({"choices": [STOPPED | {"message": {"content": " a"}}]}, "choices[0].text is null and "
         "must be a text; is this the endpoint for completions?"),
        ({"choices": [STOPPED | {"text": 3}]}, "choices[0].text is 3 and must be a text; is this "
         "the endpoint for completions?"),
        ({"choices": ["a"]}, 'choices[0] is "a" and must be an object.'),
    ],
)  # fmt: skip
def test_an_answer_that_is_none(loopback, sentence, body: Any, expected: str) -> None:
    assert sentence(200, body) == expected.format(url=loopback.url)


def error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, error("no"), f"(no); {LOG}."),
        (400, error("filtered", code="content_filter"), "(filtered); its content filter refused a "
         "text: change that filter, or leave the text out."),
        (400, error("This model's maximum context length is 8 tokens."),
         "(This model's maximum context length is 8 tokens.); set max_chars in [task], show fewer "
         "examples, or take a model of a longer context."),
        (400, error("too long", code="context_length_exceeded"), "(too long); set max_chars in "
         "[task], show fewer examples, or take a model of a longer context."),
        (400, error("Use 'max_completion_tokens' instead of 'max_tokens'."),
         "(Use 'max_completion_tokens' instead of 'max_tokens'.); set max_tokens_field = "
         '"max_completion_tokens" for this provider.'),
        (400, error("unknown", param="logit_bias"), "(unknown); leave 'logit_bias' out of the "
         "provider's `supports`."),
        (400, error("unknown", param="top_logprobs"), "(unknown); leave 'logprobs' out of the "
         "provider's `supports`."),
        (400, error("expected a value <= 20, but got 25", param="top_logprobs"), "(expected a "
         "value <= 20, but got 25); write parameters = {{ logprobs = 20 }} in its [[model]]."),
        (400, error("too many", param="top_logprobs"), "(too many); write parameters = {{ logprobs "
         "= 5 }} in its [[model]]."),
        (400, error("20 logprobs are greater than max allowed: 7"), "(20 logprobs are greater than "
         "max allowed: 7); write parameters = {{ logprobs = 7 }} in its [[model]]."),
        (400, error("logprobs do not exist here"), "(logprobs do not exist here); leave 'logprobs' "
         "out of the provider's `supports`."),
        (400, {"error": "plain"}, f"(plain); {LOG}."),
        (400, {"message": "bare", "error": None}, f"(bare); {LOG}."),
        (400, [{"error": {"message": "in a list"}}], f"(in a list); {LOG}."),
        (422, {"detail": [{"loc": ["body", "n"], "msg": "must be a number"}]},
         f"(must be a number); {LOG}."),
        (400, {"error": {"error": {"message": "deep"}}}, f"(deep); {LOG}."),
        (400, {"error": [[[[[[[[[[1]]]]]]]]]]}, f"(Bad Request); {LOG}."),
        (401, error("Incorrect API key"), "(Incorrect API key); set the key in the variable that "
         "`api_key_env` or --api-key-env names."),
        (403, error("not yours"), "(not yours); ask for access, or use another key."),
        (404, error("The model `m` does not exist", code="model_not_found"),
         "(The model `m` does not exist); check the model's `id`; `tunebench doctor` shows which "
         "models there are."),
        (404, error("gone", code="DeploymentNotFound"), "(gone); check the model's `id`; "
         "`tunebench doctor` shows which models there are."),
        (404, error("This is a chat model and not supported in the v1/completions endpoint."),
         "(This is a chat model and not supported in the v1/completions endpoint.); set endpoint = "
         '"chat" for this provider (`tunebench doctor` prints its whole table).'),
        (404, {"detail": "Not Found"}, f"(Not Found); {CHATS}, or {ROOT}."),
        (404, b"<html><title>404</title></html>", f"(a web page, '404'); {CHATS}, or {ROOT}."),
        (405, {"detail": "Method Not Allowed"}, f"(Method Not Allowed); {CHATS}, or {ROOT}, with "
         "https where it wants that."),
        (413, b"<html>too large</html>", "(a web page); send less at once: leave 'lists' out of "
         "`supports`, or show fewer examples."),
        (418, b"short and stout", f"(short and stout); {LOG}."),
        (429, error("slow down"), "(slow down); wait, or lower the provider's `concurrency`."),
        (429, error("paid up", code="insufficient_quota"), "(paid up); the account's quota is used "
         "up: raise it at the provider."),
        (429, error("paid up", type="insufficient_quota", code=None), f"(paid up); {PAY}."),
        (429, {"error": {"error": {"message": "paid up", "code": "billing_hard_limit_reached"}}},
         f"(paid up); {PAY}."),
        (429, [{"error": {"message": "paid up", "type": "insufficient_quota"}}],
         f"(paid up); {PAY}."),
        (402, error("Insufficient Balance"), f"(Insufficient Balance); {PAY}."),
        (403, error("paid up", code="insufficient_quota"), f"(paid up); {PAY}."),
        (500, {"error": "oops"}, "(oops); see the provider's log, or run the same command again "
         "later."),
        (503, b"", "(Service Unavailable); see the provider's log, or run the same command again "
         "later."),
    ],
)  # fmt: skip
def test_a_refusal(loopback, sentence, status: int, body: Any, expected: str) -> None:
    said = sentence(status, body).removeprefix(f"the provider answered {status} ")
    assert said == expected.format(url=loopback.url)


CHAT = [{"role": "user", "content": "a text"}]


@pytest.mark.parametrize(
    ("status", "words", "prompt", "endpoint"),
    [
        (404, "This is not a chat model and thus not supported in the v1/chat/completions "
         "endpoint. Did you mean to use v1/completions?", CHAT, "completions"),
        (400, "m is not a chat model", CHAT, "completions"),
        (400, "The model does not support Chat Completions API", CHAT, "completions"),
        (400, "default chat template is no longer allowed, so you must provide a chat template",
         CHAT, "completions"),
        (404, "Not Found", CHAT, "completions"),
        (405, "Method Not Allowed", CHAT, "completions"),
        (501, "Not Implemented", CHAT, "completions"),
        (400, "The model does not support Completions API", "a text", "chat"),
        (400, "The completion operation does not work with the specified model, m.", "a text",
         "chat"),
        (422, "please use v1/chat/completions", "a text", "chat"),
        (405, "Method Not Allowed", "a text", "chat"),
        (501, "Not Implemented", "a text", "chat"),
        (404, "The model `my-chat-model` does not exist", CHAT, None),
        (404, "This model is only supported in v1/responses and not in v1/chat/completions.",
         CHAT, None),
        (400, "temperature must be 1", CHAT, None),
        (500, "chat model", CHAT, None),
    ],
)  # fmt: skip
def test_the_other_kind_of_request_is_named_where_that_may_be_answered(
    loopback, connect, said, status: int, words: str, prompt: Any, endpoint: str | None
) -> None:
    loopback.answer = lambda _: said(error(words), status)
    with pytest.raises(RequestError) as raised:
        connect().complete("m", [prompt], {})
    hint = raised.value.hint
    assert ("endpoint = " in hint) == (endpoint is not None)
    if endpoint is not None:
        assert f'set endpoint = "{endpoint}"' in hint
        assert "`tunebench doctor`" in hint


@pytest.mark.parametrize(
    ("status", "body"), [(404, {"detail": "Not Found"}), (405, b""), (200, b"<html></html>")]
)
def test_an_address_without_its_version_is_named(loopback, sentence, status: int, body) -> None:
    missing = f"the address {loopback.root} has no /v1: add it, and check that it is the API root"
    assert missing in sentence(status, body, root="")
    assert missing not in sentence(status, body)


def test_the_wait_that_a_provider_asks_for_is_told(sentence) -> None:
    said = sentence(429, error("slow down"), {"Retry-After": "20"})
    assert said.endswith("(slow down); wait 20 s, or lower the provider's `concurrency`.")


def test_a_wait_that_is_no_time_is_not_told(sentence) -> None:
    said = sentence(429, error("slow down"), {"Retry-After": "soon"})
    assert said.endswith("(slow down); wait, or lower the provider's `concurrency`.")


@pytest.mark.parametrize(
    ("words", "limit"),
    [
        ("Invalid value for 'top_logprobs': must be less than or equal to 5.", 5),
        ("Expected a value <= 20, but got 25 instead: top_logprobs.", 20),
        ("the valid range of top_logprobs is [0, 8]", 8),
        ("top_logprobs must be between 0 and 10", 10),
        ("top_logprobs cannot exceed 4.", 4),
        ("top_logprobs is too large", 5),
    ],
)
def test_fewer_candidates_are_asked_for_before_a_rule_is_given_up(
    loopback, connect, said, words: str, limit: int
) -> None:
    loopback.answer = lambda _: said(error(words, param="top_logprobs"), 400)
    with pytest.raises(RequestError) as raised:
        connect().complete("m", [[{"role": "user", "content": "a"}]], {})
    assert str(raised.value).endswith(
        f"; write parameters = {{ top_logprobs = {limit} }} in its [[model]]."
    )


def test_words_of_several_lines_become_one_and_stay_short(sentence) -> None:
    said = sentence(500, error("line\nafter\n\n line " * 100))
    assert "(line after line line after" in said
    assert len(said) < 500


def test_a_key_in_the_providers_words_is_not_repeated(sentence) -> None:
    said = sentence(401, error("the key sesame-open is wrong"), key="sesame-open")
    assert "(the key *** is wrong)" in said


def test_a_key_that_is_a_word_takes_no_words_away(sentence) -> None:
    assert "(there is none)" in sentence(400, error("there is none"), key="none")


def model_of(loopback, connect, said, asked: str, answered: Any, **options: Any) -> str | None:
    """What is said of an answer that names a model; None if it is taken."""
    loopback.answer = lambda _: said({"choices": [CHOICE], "model": answered})
    try:
        connect(**options).complete(asked, ["a text"], {})
    except RequestError as refusal:
        return str(refusal)
    return None


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4.1", "gpt-4.1"),
        ("gpt-4.1", "gpt-4.1-2025-04-14"),
        ("gpt-4", "gpt-4-0613"),
        ("llama3.2", "llama3.2:latest"),
        ("SmolLM2", "SmolLM2@main"),
        ("org/Model-7B", "model-7b"),
        ("model", "/models/model"),
        ("ft:m:x:7c6dd002", "ft:m:x:7c6dd002"),
        ("m", None),
        ("m", ""),
        ("m", 3),
    ],
)
def test_a_version_of_the_name_that_was_asked_is_taken(
    loopback, connect, said, asked: str, answered: Any
) -> None:
    assert model_of(loopback, connect, said, asked, answered) is None


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4.1", "gpt-4.1-mini"),
        ("gpt-4.1-mini", "gpt-4.1"),
        ("gemma-2", "gemma-2-9b"),
        ("m", "whatever-is-loaded"),
        ("ft:m:x:7c6dd002", "m"),
    ],
)
def test_another_model_is_refused(loopback, connect, said, asked: str, answered: str) -> None:
    assert model_of(loopback, connect, said, asked, answered) == (
        f'model {asked!r} at {loopback.url}, prompts 1-1 of 1: the model "{answered}" '
        "answered instead; if that is the one you mean, write its name as the model's `id`, or as "
        "`answers_as` if it is only another name of it, and record again."
    )


def test_the_name_that_a_model_is_known_to_answer_with_is_the_only_one(
    loopback, connect, said
) -> None:
    known = {"deployed": "gpt-4o-2024-08-06"}
    model = functools.partial(model_of, loopback, connect, said, "deployed", answers_as=known)
    assert model(answered="gpt-4o-2024-08-06") is None
    assert model(answered="deployed") is None
    assert 'the model "gpt-4o-2024-11-20" answered instead' in model(answered="gpt-4o-2024-11-20")


def test_a_provider_that_does_not_run(connect, unused_port: int) -> None:
    with pytest.raises(RequestError, match=r"no connection \(.*\); is the provider running"):
        connect(f"http://127.0.0.1:{unused_port}/v1").complete("m", ["a text"], {})


def test_no_answer_in_time(loopback, connect) -> None:
    def too_late(asked):
        time.sleep(0.5)
        return loopback.complete(asked)

    loopback.answer = too_late
    with pytest.raises(RequestError, match="no answer in time; is the provider overloaded"):
        connect(timeout=0.1).complete("m", ["a text"], {})


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (404, error("no model"), "the provider answered 404 (no model); check the model's `id`; "
         "`tunebench doctor` shows which models there are."),
        (404, {"detail": "Not Found"}, "the provider answered 404 (Not Found); leave 'tokenize' "
         "out of the provider's `supports`."),
        (200, b"<html></html>", f"the answer is a web page; {ROOT}, and that no proxy wants a "
         "login."),
        (200, {}, "the answer holds no list `tokens` of ids."),
        (200, {"tokens": []}, "the answer holds no list `tokens` of ids."),
        (200, {"tokens": ["Posi", "tive"]}, 'an id in `tokens` is "Posi" and must be a whole '
         "number."),
        (200, {"tokens": 3}, "the answer holds no list `tokens` of ids."),
    ],
)  # fmt: skip
def test_no_token_ids(loopback, connect, said, status: int, body: Any, expected: str) -> None:
    loopback.answer = lambda _: said(body, status)
    with pytest.raises(RequestError) as raised:
        connect().tokenize("m", " Positive")
    where = f"/tokenize at {loopback.root}/tokenize"
    assert str(raised.value) == f"{where}: {expected.format(url=loopback.url)}"


@pytest.mark.parametrize(
    ("message", "is_about_length"),
    [
        ("The decoder prompt (length 30) is longer than the maximum model length of 20.", True),
        ("the request exceeds the available context size, try increasing it", True),
        ("prompt is too long: 210000 tokens > 200000 maximum", True),
        ("`inputs` tokens + `max_new_tokens` must be <= 4097. Given: 5000", True),
        ("Prompt contains 40 tokens and 0 draft tokens, too large for the model", True),
        ("Please reduce the length of the messages or completion.", True),
        ("Your input exceeds the context window of this model.", True),
        ("max_tokens is too large: 5000. The model supports 4096 completion tokens", False),
        ("logprobs must be at most 5", False),
        ("prompt 3 is not allowed", False),
    ],
)
def test_a_refusal_for_length_is_known_by_its_words(sentence, message, is_about_length) -> None:
    assert ("set max_chars in [task]" in sentence(400, error(message))) == is_about_length
