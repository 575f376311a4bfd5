"""The cassette that vcrpy plays and records: vcrpy intercepts, our file answers.

vcrpy patches the HTTP transports below the `openai` client. For each request it asks the
cassette whether it can play a response; this one looks the request's key up in an indexed file
(`harness.cassettes.store`) instead of comparing it with every recorded request, and appends each
new answer at once instead of saving all of them at the end.
"""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from vcr.cassette import Cassette
from vcr.patch import PATCHER_NAMES
from vcr.record_mode import RecordMode

from harness.cassettes.fingerprint import (
    CassetteError,
    Fingerprint,
    endpoint_of,
    fingerprint,
    prompt_text,
    request_key,
    text_sha256,
)
from harness.cassettes.leaks import long_texts, repeats
from harness.cassettes.misses import MissExplainer
from harness.cassettes.store import CassetteFile, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from vcr.request import Request

LATENCY_HEADER = "tunebench-latency-ms"
RECORDED_AT_HEADER = "tunebench-recorded-at"

_FILE_CONTENT = re.compile(r"GET files/[^/]+/content")

# The openai client speaks through httpx2. Whatever else opens a connection while a cassette is in
# use, such as the start of the local provider, is no traffic of the experiment.
_OTHER_LIBRARIES = tuple(name for name in PATCHER_NAMES if name != "httpx2")


class RecordedCassette(Cassette):  # type: ignore[misc]
    """A vcrpy cassette over a `CassetteFile`.

    Args:
        path: the cassette's file, for vcrpy's messages.
        file: the open file.
        before_send: called before a request that the file cannot answer goes to the provider;
            None where such a request is an error.
        items: item id by prompt SHA-256, to store with an answer and to name in a miss.
        texts: the data set's texts that are asked; an answer that repeats one is refused.
        hint: how to record what is missing, for the end of a miss's message.
    """

    def __init__(
        self,
        path: str,
        *,
        file: CassetteFile,
        before_send: Callable[[], None] | None,
        items: Mapping[str, str],
        texts: Iterable[str],
        hint: str,
    ) -> None:
        super().__init__(
            path,
            record_mode=RecordMode.NEW_EPISODES if before_send else RecordMode.NONE,
            skip_patchers=_OTHER_LIBRARIES,
        )
        self.file = file
        self.played: set[str] = set()
        self._items = items
        self._explainer = MissExplainer(file, items, hint)
        self._before_send = before_send
        self.recording = before_send is not None
        self.hint = hint
        self._texts = long_texts(texts)
        self._refused: CassetteError | None = None

    # What vcrpy's transport stubs ask, in their order.

    def can_play_response_for(self, request: Request) -> bool:
        """Whether the file has the answer.

        Raises:
            CassetteMissError: it has not, and nothing is recorded.
        """
        key = self._key(request)
        if self._plays(key, endpoint_of(request.method, request.uri)):
            request.tunebench_key = key
            return True
        asked = fingerprint(request.method, request.uri, request.body or b"")
        if asked.key != key:
            asked = replace(asked, key=key)
        if self._before_send is None:
            raise self._explainer.miss(asked)
        if self._refused is not None:
            # The client takes a refused answer for a lost connection and would ask again.
            raise self._refused
        if asked.parameters.get("echo"):
            raise CassetteError(
                f"{self.file.path}: a request with `echo` is not recorded, since its answer would "
                "carry the text of the data set; leave `echo` out."
            )
        self._before_send()
        request.tunebench_asked = asked
        request.tunebench_started = time.perf_counter()
        return False

    def play_response(self, request: Request) -> dict[str, Any]:
        """The recorded answer, with the recorded latency in a header."""
        key: str = request.tunebench_key
        self.played.add(key)
        answer = self.file.answer(key)
        fields, body = answer.metadata, answer.body
        text = body.startswith(b'"')
        return {
            "status": {"code": fields["status"], "message": None},
            "headers": {
                "content-type": ["text/plain" if text else "application/json"],
                LATENCY_HEADER: [repr(fields["latency_ms"])],
                RECORDED_AT_HEADER: [fields["recorded_at"]],
            },
            "body": {"string": json.loads(body).encode() if text else body},
        }

    def append(self, request: Request, response: dict[str, Any]) -> None:
        """Store an answer; what is no success, or no JSON, is passed on and not stored.

        Raises:
            CassetteError: the answer repeats the text that was asked, or cannot be written.
        """
        latency_ms = (time.perf_counter() - request.tunebench_started) * 1000
        if not 200 <= response["status"]["code"] < 300:
            return
        asked: Fingerprint = request.tunebench_asked
        try:
            row = self._row(asked, response, latency_ms)
            if not self._keeps(row):
                return
            self.file.append(row)
        except CassetteError as error:
            self._refused = error
            raise
        except (json.JSONDecodeError, UnicodeDecodeError):
            return  # a proxy's page, or half an answer: the client says what is wrong with it
        self.played.add(asked.key)

    def _row(self, asked: Fingerprint, response: dict[str, Any], latency_ms: float) -> Row:
        body = self._stored(_body(response, self.file, asked.endpoint))
        if repeats(body, long_texts(asked.texts) + self._texts):
            raise CassetteError(
                f"{self.file.path}: the answer of {asked.endpoint!r} repeats the prompt, or a text "
                "in it, and a cassette must not hold the texts of the data set; turn that off at "
                "the provider, or lower [task] max_tokens if the model quotes the text."
            )
        hashes = asked.prompt_sha256
        return Row(
            key=asked.key,
            endpoint=asked.endpoint,
            model=asked.model,
            items=[self._items[sha] for sha in hashes if sha in self._items],
            parameters=asked.parameters,
            prompt_sha256=hashes,
            status=response["status"]["code"],
            latency_ms=round(latency_ms, 3),
            recorded_at=datetime.now(UTC).isoformat(timespec="seconds"),
            server=str((isinstance(body, dict) and body.get("system_fingerprint")) or ""),
            body=body,
        )

    # What another kind of traffic decides otherwise.

    def _key(self, request: Request) -> str:
        """The key under which the answer to a request is, or will be, stored."""
        return request_key(endpoint_of(request.method, request.uri), request.body or b"")

    def _plays(self, key: str, _endpoint: str) -> bool:
        """Whether the stored answer, if there is one, is still the answer."""
        return key in self.file

    def _keeps(self, _row: Row) -> bool:
        """Whether a new answer is stored."""
        return True

    def _stored(self, body: Any) -> Any:
        """An answer's body as it is stored."""
        return body

    # What else vcrpy's base class reads from the list of interactions that we do not keep.

    def find_requests_with_most_matches(self, _request: Request) -> list[Any]:
        """Nothing: a miss has been explained before vcrpy asks for this."""
        return []

    def __len__(self) -> int:
        return len(self.file)

    def __contains__(self, request: Request) -> bool:
        return self._key(request) in self.file

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The stored rows without their bodies."""
        return [{k: v for k, v in row.items() if k != "body"} for row in self.file.rows()]

    @property
    def responses(self) -> list[Any]:
        """The stored bodies."""
        return [row["body"] for row in self.file.rows()]

    @property
    def all_played(self) -> bool:
        """Whether every row was asked for."""
        return len(self.played) == len(self.file)

    @property
    def unplayed(self) -> list[str]:
        """The keys of the rows that nothing asked for, in the order of the file."""
        if self.all_played:
            return []
        stored = self.file.keys()
        return [key for key in stored if key not in self.played]

    def _load(self) -> None:
        self.rewound = True

    def _save(self, force: bool = False) -> None:
        """Nothing: each answer was saved when it came."""


@contextmanager
def use_cassette(
    file: CassetteFile,
    *,
    before_send: Callable[[], None] | None,
    items: Mapping[str, str],
    hint: str,
    texts: Iterable[str] = (),
    kind: type[RecordedCassette] = RecordedCassette,
) -> Iterator[RecordedCassette]:
    """Answer the requests made inside from a cassette's file.

    Args:
        file: the open file, opened for recording if anything may be sent.
        before_send: if given, what the file cannot answer is sent to the provider after calling
            this, and its answer is appended; if None, such a request is an error and nothing
            leaves the machine.
        items: item id by prompt SHA-256.
        hint: how to record what is missing.
        texts: the data set's texts that are asked, which no stored answer may repeat; those under
            40 characters may stand in any answer and are not looked for.
        kind: of traffic.
    """
    context = kind.use(
        path=str(file.path),
        file=file,
        before_send=before_send,
        items=items,
        texts=texts,
        hint=hint,
    )
    with context as cassette:
        yield cassette


def item_index(prompts: Mapping[str, Any]) -> dict[str, str]:
    """Item id by prompt SHA-256, from prompts (texts, or a chat's messages) by item id."""
    return {text_sha256(prompt_text(prompt)): item for item, prompt in prompts.items()}


def _body(response: dict[str, Any], file: CassetteFile, endpoint: str) -> Any:
    """An answer's JSON value; the content of a file is a string."""
    if _FILE_CONTENT.fullmatch(endpoint):
        try:
            return response["body"]["string"].decode()
        except UnicodeDecodeError as error:
            raise CassetteError(
                f"{file.path}: the answer of {endpoint!r} is no text, so it was not recorded; is "
                "this a result file?"
            ) from error

    def refuse(constant: str) -> NoReturn:
        raise CassetteError(
            f"{file.path}: the answer of {endpoint!r} is not JSON (it holds {constant}), so it was "
            "not recorded; see the provider's log or documentation."
        )

    return json.loads(response["body"]["string"], parse_constant=refuse)
