"""A job to ask for, and who is told how it gets on."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from tunebench.api import JobSpec, Upload
from tunebench.errors import CassetteMissError
from tunebench.wire import SentCreation

# Long enough not to stand in an answer by chance.
TEXT = "a review that is long enough to be looked for in answers"
TRAIN = f'{{"prompt":"{TEXT} ->","completion":" Positive"}}\n'.encode() * 8
VALID = b'{"prompt":"dull ->","completion":" Negative"}\n' * 2
METADATA = {"tunebench_job": "0f" * 16, "experiment": "films", "cell": "m-ft10"}
REQUEST = {
    "model": "base",
    "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 4}}},
    "seed": 7,
    "suffix": "films-ft10",
    "extra_body": {"lora_rank": 8},
}


def upload(name: str, content: bytes) -> Upload:
    return Upload(name, content, hashlib.sha256(content).hexdigest(), content.count(b"\n"))


def job_spec(train: bytes = TRAIN, metadata: dict[str, str] = METADATA) -> JobSpec:
    files = upload("films_train.jsonl", train), upload("films_valid.jsonl", VALID)
    return JobSpec("m-ft10", *files, REQUEST, metadata)


class MemoryJournal:
    """A journal that keeps what it is told, by mark."""

    missing = CassetteMissError

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.open: dict[str, SentCreation] = {}
        self.keys: list[str] = []

    def job(self, mark: str) -> str | None:
        return self.known.get(mark)

    def no_job(self) -> CassetteMissError:
        return CassetteMissError("there is no job.")

    def unanswered(self, mark: str) -> SentCreation | None:
        return self.open.get(mark)

    def sent(self, mark: str, idempotency_key: str) -> None:
        self.keys.append(idempotency_key)
        self.open[mark] = SentCreation(idempotency_key, datetime.now(UTC))

    def refused(self, mark: str) -> None:
        del self.open[mark]


class Teller:
    """A monitor that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.uploads: list[tuple[str, int, list[int]]] = []
        self.steps: list[tuple[Any, ...]] = []

    def say(self, message: str) -> None:
        self.lines.append(message)

    def uploading(self, name: str, size: int) -> Any:
        self.uploads.append((name, size, []))
        return self.uploads[-1][2].append

    def trained(self, *told: Any) -> None:
        self.steps.append(told)
