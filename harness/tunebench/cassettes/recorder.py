"""The cassette that vcrpy plays and records: vcrpy intercepts, our file answers.

vcrpy patches the HTTP transports below the `openai` client. For each request it asks the
cassette whether it can play a response; this one looks the keys of the request's prompts up in an
indexed file (`tunebench.cassettes.store`) instead of comparing it with every recorded request, and
composes the response from their rows. `tunebench.wire` reads a new answer as soon as it comes, and
the part that was read is appended at once. An answer that cannot be used is passed on unstored,
and the client, which reads it by the same rules, raises its error.
"""

from __future__ import annotations

import time
from array import array
from itertools import islice
from typing import TYPE_CHECKING, Any

from tunebench.cassettes.fingerprint import (
    Fingerprint,
    Recalled,
    fingerprint,
    fingerprint_of,
    prompt_text,
    text_sha256,
)
from tunebench.cassettes.leaks import LongTexts, long_texts, repeats
from tunebench.cassettes.lines import rows_for
from tunebench.cassettes.misses import miss
from tunebench.cassettes.played import FileCassette
from tunebench.cassettes.redirects import Redirects
from tunebench.cassettes.stored import (
    COMPOSED,
    Stored,
    check_stored,
    stored_content,
    stored_rows,
)
from tunebench.cassettes.totals import shares
from tunebench.errors import CassetteError, hidden, without_secrets
from tunebench.wire import Asked, decoded, other_model, parsed, read_answers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from vcr.request import Request

    from tunebench.cassettes.reading import StoredAnswer
    from tunebench.cassettes.store import CassetteFile
    from tunebench.wire import Answer

_MAX_CHECKED = 1000
_LOOKED_UP_AT_ONCE = 1000


class RecordedCassette(FileCassette):
    """A cassette that answers and records completions, chats and embeddings; see `use_cassette`."""

    def __init__(
        self,
        path: str,
        *,
        file: CassetteFile,
        before_send: Callable[[], None] | None,
        items: Mapping[str, str],
        texts: Iterable[str],
        hint: str,
        answers_as: Mapping[str, str] | None = None,
        places: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(path, file, recording=before_send is not None)
        self.hint = hint
        self._items = items
        self._places = places or {}
        self._before_send = before_send
        self._answers_as = answers_as or {}
        self._texts = LongTexts(texts)
        self._refused: CassetteError | None = None
        self._file_checked = False
        self._checked: set[tuple[str, bytes]] = set()
        self._redirects = Redirects()

    # Called by vcrpy's transport stubs, in this order.

    def can_play_response_for(self, request: Request) -> bool:
        """Whether the file has the answers to all prompts of a request.

        Raises:
            CassetteMissError: it has not, and nothing is recorded.
            CassetteError: a line of the file is damaged, so that it may be the answer.
        """
        asked = self._redirects.origin_of(request)
        if asked is None:
            asked = self._asked(fingerprint(request.method, request.uri, request.body or b""))
        found = self._found(asked)
        if found is not None:
            request.tunebench_rows = asked, found
            return True
        if not self._file_checked:
            self.file.check()
            self._file_checked = True
        if self._before_send is None:
            raise self._miss(asked)
        if self._refused is not None:
            # The client takes a refused answer for a lost connection and would send it again.
            raise self._refused
        if asked.fields.get("echo"):
            raise CassetteError(
                "a request with `echo` is not recorded, since its answer would carry the text of "
                "the data set",
                where=self.file.path,
                hint="leave `echo` out",
            )
        if len(asked.prompts) > 1 and asked.endpoint not in COMPOSED:
            raise CassetteError(
                f"a request of several prompts to {asked.endpoint!r} is not recorded, since it is "
                "not known which part of the answer belongs to which",
                where=self.file.path,
                hint="send them one by one",
            )
        self._before_send()
        request.tunebench_sent = asked, time.perf_counter()
        return False

    def play_response(self, request: Request) -> dict[str, Any]:
        """The recorded answer."""
        asked, positions = request.tunebench_rows
        rows = self._played_rows(asked, positions)
        answer = rows[0].row.answer
        if asked.endpoint in COMPOSED:
            body = self._body(asked, rows)
        else:
            body = answer.encode() if isinstance(answer, str) else rows[0].answer
        kind = "text/plain" if isinstance(answer, str) else "application/json"
        return {
            "status": {"code": 200, "message": None},
            "headers": {"content-type": [kind]},
            "body": {"string": body},
        }

    def recalled(
        self, endpoint: str, fields: Mapping[str, Any], hashes: Iterable[str]
    ) -> tuple[Answer, ...]:
        """The answers to prompts of which only the SHA-256 (hex) is known, as a replay gives them.

        The endpoint and the fields are as for `lacking`.

        Raises:
            CassetteMissError: one is not recorded.
            CassetteError: a line of the file is damaged.
        """
        same = fingerprint_of(endpoint, fields)
        asked = Recalled(same.endpoint, same.digest, same.fields, tuple(hashes))
        found = self._found(asked)
        if found is None:
            self.file.check()
            raise self._miss(asked)
        answered = self._body(asked, self._played_rows(asked, found))
        known_as = self._answers_as.get(asked.model)
        wanted = Asked.of(asked.endpoint, asked.fields, len(asked.prompts), known_as)
        return read_answers(parsed(answered), wanted).answers

    def _played_rows(self, asked: Fingerprint, positions: Iterable[int]) -> list[StoredAnswer]:
        """The rows of answers, checked and counted as played."""
        rows = [self.file.answer(position) for position in positions]
        for row in rows:
            # Labels that are stated in words are the same few answers again and again.
            known = asked.digest, row.answer
            if known not in self._checked:
                try:
                    check_stored(asked, row.row.answer)
                except ValueError as problem:
                    raise self.file.damaged(row.position, str(problem)) from None
                if len(self._checked) < _MAX_CHECKED:
                    self._checked.add(known)
            self._play(row)
        return rows

    def _body(self, asked: Fingerprint, rows: list[StoredAnswer]) -> bytes:
        """The answer to prompts, composed of theirs."""
        usage = shares((row.row.usage, row.row.prompts) for row in rows)
        model, answers = self._answered_by(asked, rows), [row.answer for row in rows]
        return COMPOSED[asked.endpoint](answers, model, rows[0].request.server, usage)

    def _answered_by(self, asked: Fingerprint, rows: list[StoredAnswer]) -> str:
        """The model that has answered; where there are several, the first that was not asked."""
        names = dict.fromkeys(row.request.answered_by for row in rows)
        known_as = self._answers_as.get(asked.model)
        others = (name for name in names if other_model(asked.model, name, known_as))
        return next(others, rows[0].request.answered_by)

    def append(self, request: Request, response: dict[str, Any]) -> None:
        """Store the part of an answer that is read; an unusable one is passed on unstored.

        Raises:
            CassetteError: the answer repeats the text of a prompt, or cannot be written.
        """
        asked, started = request.tunebench_sent
        latency_ms = (time.perf_counter() - started) * 1000
        status = response["status"]["code"]
        if 300 <= status < 400:
            self._redirects.note(request, response, asked)
        if not 200 <= status < 300:
            return
        try:
            content = decoded(response["body"]["string"], response["headers"])
            read = self._read(asked, content)
        except ValueError:
            return  # the client reads it by the same rules and raises its error
        if read is None:
            return
        try:
            self._store(asked, read, latency_ms)
        except CassetteError as error:
            self._refused = error
            raise

    def _read(self, asked: Fingerprint, content: bytes) -> Stored | None:
        """The stored part of an answer; None where nothing is stored.

        Raises:
            ValueError: it cannot be used.
        """
        if asked.endpoint in COMPOSED:
            known_as = self._answers_as.get(asked.model)
            return stored_rows(parsed(content), asked, len(asked.prompts), known_as)
        body = self._stored(asked, stored_content(asked.endpoint, content))
        return None if body is None else Stored([body])

    def _store(self, asked: Fingerprint, read: Stored, latency_ms: float) -> None:
        answers = [without_secrets(answer) for answer in read.answers]
        stored = [answers, read.server, read.model]
        if repeats(stored, long_texts(asked.prompts)) or repeats(stored, self._texts):
            raise CassetteError(
                f"the answer of {asked.endpoint!r} repeats the prompt, or a text in it, and a "
                "cassette must not hold the texts of the data set",
                where=self.file.path,
                hint="turn that off at the provider, or lower [task] max_tokens if the model "
                "quotes the text",
            )
        line, prompts = asked.line(hidden(read.server), hidden(read.model)), asked.prompt_sha256
        rows = rows_for(
            line,
            prompts,
            answers,
            map(self._items.get, prompts),
            latency_ms=round(latency_ms, 3),
            usage=(read.usage.prompt_tokens, read.usage.completion_tokens),
        )
        self.file.append(line, rows, sync=self.sync)

    def _found(self, asked: Fingerprint) -> list[int] | None:
        """The positions of the answers to a request, if all are there."""
        hashes = [bytes.fromhex(sha256) for sha256 in asked.prompt_sha256]
        return self.file.find(asked.digest, hashes)

    def lacking(
        self, endpoint: str, fields: Mapping[str, Any], prompts: Iterable[Any]
    ) -> list[Any]:
        """The prompts that the file does not answer, in their order.

        The endpoint is as ``POST completions``; the fields are the body's, without the prompts.
        """
        texts = list(prompts)
        hashes = (text_sha256(prompt_text(prompt)) for prompt in texts)
        return [texts[place] for place in self.lacking_of(endpoint, fields, hashes)]

    def lacking_of(
        self, endpoint: str, fields: Mapping[str, Any], hashes: Iterable[str]
    ) -> array[int]:
        """The places among prompts of those that the file does not answer; see `lacking`.

        Of the prompts are given the SHA-256 (hex).
        """
        digest, places, start = fingerprint_of(endpoint, fields).digest, array("I"), 0
        left = iter(hashes)
        while some := [bytes.fromhex(sha256) for sha256 in islice(left, _LOOKED_UP_AT_ONCE)]:
            found = self.file.positions_of(digest, some)
            places.extend(at for at, position in enumerate(found, start) if position is None)
            start += len(some)
        return places

    def spare(self, endpoint: str, fields: Mapping[str, Any], hashes: Iterable[str]) -> None:
        """Leave the rows that answer prompts of these SHA-256 (hex) out of `unplayed`."""
        digest = fingerprint_of(endpoint, fields).digest
        for sha256 in hashes:
            for position in self.file.find(digest, [bytes.fromhex(sha256)]) or ():
                self._spared.add(position)

    # Overridden for another kind of traffic.

    sync = False

    def _asked(self, asked: Fingerprint) -> Fingerprint:
        """A request as the file knows it."""
        return asked

    def _miss(self, asked: Fingerprint) -> CassetteError:
        """The error of a request without an answer, while nothing is recorded."""
        return miss(self.file, self._items, self.hint, asked, self._places)

    def _stored(self, _asked: Fingerprint, body: Any) -> Any:
        """The stored part of an answer that is not a model's text; None to store nothing."""
        return body

    def __contains__(self, request: Request) -> bool:
        asked = fingerprint(request.method, request.uri, request.body or b"")
        return self._found(self._asked(asked)) is not None
