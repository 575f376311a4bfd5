"""The requests that the replay cases answer, and the references that answer them too.

Prompts are made up, as long as a one-shot prompt of a short review; answers have the shape of the
completions API's. Every reference goes through the same `openai` client.
"""

import json
import random
import string
from pathlib import Path

import httpx2
import openai

from tunebench.api import Client
from tunebench.cassettes import CassetteFile, use_cassette
from tunebench.cassettes.fingerprint import fingerprint
from tunebench.cassettes.lines import Row

BASE_URL = "http://127.0.0.1:8017/v1"
PARAMETERS = {"max_tokens": 1, "stop": ["tive"], "temperature": 0}
EXPERIMENT = {"experiment": "speed", "recording": "speed"}


def prompts(n: int) -> list[str]:
    """n different prompts of about 1300 characters."""
    draw = random.Random(n)
    words = ["".join(draw.choices(string.ascii_lowercase, k=5)) for _ in range(500)]
    return [f"{i} " + " ".join(draw.choices(words, k=215)) + " ->" for i in range(n)]


def body_of(batch: list[str], *, lists: bool) -> dict:
    """The request's body as the openai client sends it."""
    return {"model": "m", "prompt": batch if lists else batch[0], **PARAMETERS}


def answer_to(batch: list[str]) -> bytes:
    """A completion for each prompt."""
    choices = [
        {"finish_reason": "stop", "index": i, "text": " Posi", "logprobs": None}
        for i in range(len(batch))
    ]
    usage = {"prompt_tokens": 300 * len(batch), "completion_tokens": len(batch)}
    usage["total_tokens"] = sum(usage.values())
    return json.dumps(
        {
            "id": "cmpl-0123456789abcdef0123456789abcdef",
            "object": "text_completion",
            "created": 1790000000,
            "model": "m",
            "system_fingerprint": "tunebench-0.1.0-b179c9523d0e-bfloat16-torch2.13.0",
            "choices": choices,
            "usage": usage,
        },
        separators=(",", ":"),
    ).encode()


class Workload:
    """n prompts in requests of `size`, and the ways to answer them."""

    def __init__(self, folder: Path, n: int, size: int) -> None:
        self.folder, self.n, self.size = folder, n, size
        self.lists = size > 1
        self.prompts = prompts(n)
        self.batches = [self.prompts[i : i + size] for i in range(0, n, size)]
        self.client = Client(BASE_URL, "none", prompts_per_request=size, offline=True)
        self.path = folder / "cassette.jsonl"
        self.answers = {self.wire(batch): answer_to(batch) for batch in self.batches}
        transport = httpx2.MockTransport(self.look_up)
        self.mocked = openai.OpenAI(
            base_url=BASE_URL,
            api_key="none",
            max_retries=0,
            http_client=httpx2.Client(transport=transport),
        )

    def wire(self, batch: list[str]) -> bytes:
        """The body's bytes as they arrive at the transport."""
        body = body_of(batch, lists=self.lists)
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()

    def look_up(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(
            200,
            content=self.answers[request.read()],
            headers={"content-type": "application/json"},
        )

    def record(self) -> None:
        """Write the cassette that `tunebench` replays."""
        file = CassetteFile(self.path, **EXPERIMENT)
        file.start_recording()
        for batch in self.batches:
            body = json.dumps(body_of(batch, lists=self.lists)).encode()
            asked = fingerprint("POST", f"{BASE_URL}/completions", body)
            line = asked.line("tunebench-0.1.0-b179c9523d0e-bfloat16-torch2.13.0", "m")
            file.append(
                line,
                [
                    Row(
                        prompt=sha256,
                        request=line.id,
                        item=prompt.split()[0],
                        recorded_at="2026-01-01T00:00:00+00:00",
                        latency_ms=123.456,
                        prompts=len(batch),
                        usage=(300 * len(batch), len(batch)),
                        answer={"text": " Posi", "finish_reason": "stop"},
                    )
                    for sha256, prompt in zip(asked.prompt_sha256, batch, strict=True)
                ],
            )
        file.close()

    def tunebench(self) -> None:
        """Open the cassette and ask for every prompt, as a cell does."""
        file = CassetteFile(self.path, **EXPERIMENT)
        with use_cassette(file, before_send=None, items={}, hint="record it"):
            replies = self.client.complete("m", self.prompts, PARAMETERS)
        file.close()
        assert sum(len(reply.answers) for reply in replies) == self.n

    def floor(self) -> None:
        """The same requests through the openai client over a dictionary."""
        answered = 0
        for batch in self.batches:
            completion = self.mocked.completions.create(**body_of(batch, lists=self.lists))
            answered += len(completion.choices)
        assert answered == self.n
