"""Answers in the documented shapes of OpenAI, Azure and vLLM are read as they are meant."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tunebench.api import Answer
from tunebench.api.fine_tuning import fine_tune
from tunebench.api.probing import probe
from tunebench.errors import RequestError

from ..job_specs import METADATA, job_spec
from .scripted_provider import PROVIDERS, Scripted, shape


def endpoint(asked: Any) -> str:
    return f"{'POST' if asked.body else 'GET'} {asked.path.partition('?')[0]}"


CANDIDATES = {" Posi": -0.25, " Nega": -1.5}


@pytest.mark.parametrize(
    ("provider", "finish", "candidates", "server"),
    [
        ("openai", "length", CANDIDATES, "fp_44709d6fcb"),
        ("azure", "length", {}, ""),
        ("vllm", "stop", CANDIDATES, "vllm-made-up"),
    ],
)
def test_a_completion(loopback, connect, said, provider, finish, candidates, server) -> None:
    body = shape(provider, "completion")
    loopback.answer = lambda _: said(body, 200, shape(provider, "headers"))
    asked = {"logprobs": 5} if candidates else {}
    (reply,) = connect().complete(body["model"], ["a text"], asked)
    assert reply.answers == (Answer(" Posi", finish, candidates),)
    assert (reply.prompt_tokens, reply.completion_tokens, reply.server) == (5, 1, server)


@pytest.mark.parametrize(
    ("provider", "name", "fix"),
    [
        ("openai", "not_a_completions_model", 'set endpoint = "chat" for this provider '
         "(`tunebench doctor` prints its whole table)."),
        ("azure", "filtered", "its content filter refused a text: change that filter, or leave the "
         "text out."),
        ("azure", "no_deployment", "check the model's `id`; `tunebench doctor` shows which models "
         "there are."),
        ("vllm", "unknown_model", "check the model's `id`; `tunebench doctor` shows which models "
         "there are."),
    ],
)  # fmt: skip
def test_a_refusal_names_the_fix(loopback, connect, said, provider, name, fix) -> None:
    refusal = shape(provider, name)
    loopback.answer = lambda _: said(refusal["body"], refusal["status"])
    with pytest.raises(RequestError) as raised:
        connect().complete("m", ["a text"], {})
    assert str(raised.value).endswith(f"; {fix}")


@pytest.mark.parametrize("path", ["/tokenize", "/fine_tuning/jobs"])
def test_a_path_that_vllm_has_not_names_the_capability(
    loopback, client, teller, journal, said, path
):
    refusal = shape("vllm", "missing")
    loopback.answer = lambda _: said(refusal["body"], refusal["status"])
    ask = (lambda: client.tokenize("m", "a")) if path == "/tokenize" else None
    with pytest.raises(RequestError, match="'tokenize'" if ask else "'fine_tuning'"):
        ask() if ask else fine_tune(client, job_spec(), teller, journal)


def test_a_job_its_events_and_its_checkpoints(
    loopback, client, teller, journal, said, monkeypatch
) -> None:
    job = shape("openai", "job") | {"metadata": METADATA}
    answers = {
        "/v1/fine_tuning/jobs": {"object": "list", "data": [job], "has_more": False},
        "/v1/fine_tuning/jobs/ftjob-abc123": job,
        "/v1/fine_tuning/jobs/ftjob-abc123/events": shape("openai", "events"),
        "/v1/fine_tuning/jobs/ftjob-abc123/checkpoints": shape("openai", "checkpoints"),
        "/v1/files/file-result/content": b"c3RlcCx0cmFpbl9sb3NzCjEsMC41Cg==",
    }
    loopback.answer = lambda asked: said(answers[asked.path.partition("?")[0]])
    made = fine_tune(client, job_spec(), teller, journal)
    assert (made.model, made.base) == ("ft:gpt-4.1-2025-04-14:org::abc", "gpt-4.1-2025-04-14")
    assert (made.trained_tokens, made.seconds) == (5768, 90)
    assert made.hyperparameters["n_epochs"] == 4
    assert [event.id for event in made.events] == ["ftevent-1", "ftevent-2", "ftevent-3"]
    assert made.checkpoints[0].metrics["full_valid_loss"] == 0.2
    assert made.metrics == b"step,train_loss\n1,0.5\n"
    assert teller.steps == [("m-ft10", 1, 8, "Step 1/8: training loss=0.51")]


def polled(*states: Any) -> Iterator[Any]:
    """Answers about a job: the last one again and again."""
    yield from states
    yield from itertools.repeat(states[-1])


def test_a_job_of_azure(jobs, loopback, client, teller, journal, said) -> None:
    answered = {
        "POST /v1/files": itertools.repeat(shape("azure", "file_pending")),
        "GET /v1/files/file-1": polled(shape("azure", "file_pending"), shape("openai", "file")),
        "GET /v1/fine_tuning/jobs": itertools.repeat(shape("openai", "jobs")),
        "POST /v1/fine_tuning/jobs": polled(shape("azure", "job_pending")),
        "GET /v1/fine_tuning/jobs/ftjob-abc": polled(
            shape("azure", "job_pending"), shape("azure", "job")
        ),
        "GET /v1/fine_tuning/jobs/ftjob-abc/events": itertools.repeat(shape("azure", "events")),
        "GET /v1/fine_tuning/jobs/ftjob-abc/checkpoints": polled(shape("openai", "checkpoints")),
        "GET /v1/files/file-result/content": polled(b"step,train_loss\n1,0.5\n"),
    }
    loopback.answer = lambda asked: said(next(answered[endpoint(asked)]))
    made = fine_tune(client, job_spec(), teller, journal)
    assert made.model == "gpt-4o-mini-2024-07-18.ft-abc-films"
    assert (made.trained_tokens, made.seconds) == (5768, 90)
    assert [event.message for event in made.events] == ["Job started.", ""]
    assert "m-ft10: the job ftjob-abc is pending" in teller.lines


def test_a_job_of_a_provider_that_has_states_dates_and_events_of_its_own(
    jobs, loopback, client, teller, journal, said
) -> None:
    answered = {
        "POST /v1/files": itertools.repeat({"id": "file-1"}),
        "GET /v1/fine_tuning/jobs": itertools.repeat(shape("together", "jobs")),
        "POST /v1/fine_tuning/jobs": polled(shape("together", "job_pending")),
        "GET /v1/fine_tuning/jobs/ft-1": polled(
            shape("together", "job_pending"), shape("together", "job")
        ),
        "GET /v1/fine_tuning/jobs/ft-1/events": itertools.repeat(shape("together", "events")),
    }
    missing = shape("together", "missing")

    def answer(asked):
        if endpoint(asked) not in answered:
            return said(missing["body"], missing["status"])
        return said(next(answered[endpoint(asked)]))

    loopback.answer = answer
    made = fine_tune(client, job_spec(), teller, journal)
    assert (made.model, made.base, made.seconds) == ("us/base-films-321626", "org/base", 4238)
    assert (made.trained_tokens, made.checkpoints, made.metrics) == (None, (), b"")
    told = ["Fine tune request created", "Job finished"]
    assert [event.message for event in made.events] == told
    assert teller.lines == [
        *(f"m-ft10: {line}" for line in told),
        "m-ft10: the job ft-1 is pending",
        "m-ft10: no checkpoints of ft-1: the provider answered 404; going on without",
    ]


@pytest.mark.parametrize(
    ("provider", "endpoint", "supports"),
    [
        ("openai", "chat", ["logprobs", "logit_bias", "fine_tuning"]),
        ("azure", "chat", ["logit_bias"]),
        ("vllm", "completions", ["lists", "logprobs", "logit_bias", "tokenize"]),
    ],
)
def test_a_probe_finds_what_the_shapes_hold(
    loopback, client, said, provider, endpoint, supports
) -> None:
    loopback.answer = Scripted(said, provider, *PROVIDERS[provider]).answer
    findings = probe(client, None)
    assert (findings.endpoint, findings.supports(endpoint)) == (endpoint, supports)
    assert findings.found("model as asked")
    assert findings.found("model listed")
    assert findings.found("same answer twice")
    assert findings.found("rate-limit headers") == (provider != "vllm")
    assert findings.max_tokens_field == "max_tokens"
