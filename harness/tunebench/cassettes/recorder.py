"""The cassette that vcrpy plays and records: vcrpy intercepts, our file answers.

vcrpy patches the HTTP transports below the `openai` client. For each request it asks the
cassette whether it can play a response; this one looks the keys of the request's prompts up in an
indexed file (`tunebench.cassettes.store`) instead of comparing it with every recorded request, and
puts the response together from their rows. A new answer is judged by `tunebench.wire` as soon as it
comes, and what was read of it is appended at once; one that cannot be used is handed on unstored,
and the client, which judges it by the same rules, says what is wrong with it.
"""

from __future__ import annotations

import json
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from vcr.cassette import Cassette
from vcr.patch import PATCHER_NAMES
from vcr.record_mode import RecordMode

from tunebench.cassettes.fingerprint import Fingerprint, fingerprint, prompt_text, text_sha256
from tunebench.cassettes.leaks import long_texts, repeats
from tunebench.cassettes.lines import Row, is_note
from tunebench.cassettes.misses import MissExplainer
from tunebench.cassettes.told import Played, Told, shares, told_of
from tunebench.errors import CassetteError, hidden, without_secrets
from tunebench.wire import (
    Asked,
    Unusable,
    Usage,
    composed,
    decoded,
    other_model,
    parsed,
    read_answers,
    read_result,
    read_tokens,
    stored_choice,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from vcr.request import Request

    from tunebench.cassettes.store import CassetteFile, StoredAnswer

_ANSWERED = ("POST completions", "POST chat/completions")
_TOKENIZE = "POST tokenize"
_MOST_KNOWN = 1000
_FILE_CONTENT = re.compile(r"GET files/[^/]+/content")

# The openai client speaks through httpx2. Whatever else opens a connection while a cassette is in
# use, such as the start of the local provider, is no traffic of the experiment.
_OTHER_LIBRARIES = tuple(name for name in PATCHER_NAMES if name != "httpx2")


@dataclass
class _Sent:
    """A request on its way, and where its answers are kept."""

    asked: Fingerprint
    started: float


class _Read(NamedTuple):
    """What is read of an answer: one part for each prompt, and what they have in common."""

    answers: list[Any]
    usage: Usage = Usage()
    server: str = ""
    model: str = ""


class _Redirect(NamedTuple):
    """Where a request was sent to instead, and what it asked."""

    address: str
    body: bytes
    asked: Fingerprint


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
        answers_as: the names that models are known to answer with, by the names they are asked by.
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
        answers_as: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            path,
            record_mode=RecordMode.NEW_EPISODES if before_send else RecordMode.NONE,
            skip_patchers=_OTHER_LIBRARIES,
        )
        self.file = file
        self.played: dict[int, Played] = {}
        self._items = items
        self._explainer = MissExplainer(file, items, hint)
        self._before_send = before_send
        self.recording = before_send is not None
        self.hint = hint
        self._answers_as = answers_as or {}
        self._texts = long_texts(texts)
        self._refused: CassetteError | None = None
        self._checked = False
        self._sound: set[tuple[str, bytes]] = set()
        # Of the request of each thread that was answered by a redirect.
        self._redirected = threading.local()

    # What vcrpy's transport stubs ask, in their order.

    def can_play_response_for(self, request: Request) -> bool:
        """Whether the file has the answers to all prompts of a request.

        Raises:
            CassetteMissError: it has not, and nothing is recorded.
            CassetteError: a line of the file is damaged, so that it may be the answer.
        """
        asked = self._redirect_of(request)
        if asked is None:
            asked = self._asked(fingerprint(request.method, request.uri, request.body or b""))
        found = self._found(asked)
        if found is not None:
            request.tunebench_rows = asked, found
            return True
        if not self._checked:
            self.file.check()
            self._checked = True
        if self._before_send is None:
            raise self._miss(asked)
        if self._refused is not None:
            # The client takes a refused answer for a lost connection and would ask again.
            raise self._refused
        if asked.fields.get("echo"):
            raise CassetteError(
                f"{self.file.path}: a request with `echo` is not recorded, since its answer would "
                "carry the text of the data set; leave `echo` out."
            )
        if len(asked.prompts) > 1 and asked.endpoint not in _ANSWERED:
            raise CassetteError(
                f"{self.file.path}: a request of several prompts to {asked.endpoint!r} is not "
                "recorded, since it is not known which part of the answer is whose; send them one "
                "by one."
            )
        self._before_send()
        request.tunebench_sent = _Sent(asked, time.perf_counter())
        return False

    def play_response(self, request: Request) -> dict[str, Any]:
        """The recorded answer."""
        asked, positions = request.tunebench_rows
        rows = [self.file.answer(position) for position in positions]
        for row in rows:
            # Labels that are stated in words are the same few answers again and again.
            known = asked.digest, row.answer
            if known not in self._sound:
                try:
                    self._check(asked, row.row.answer)
                except ValueError as problem:
                    raise self.file.damaged(row.position, str(problem)) from None
                if len(self._sound) < _MOST_KNOWN:
                    self._sound.add(known)
            self._play(row)
        answer = rows[0].row.answer
        if asked.endpoint in _ANSWERED:
            usage = shares((row.row.usage, row.row.prompts) for row in rows)
            model = self._answered_by(asked, rows)
            body = composed([row.answer for row in rows], model, rows[0].request.server, usage)
        else:
            body = answer.encode() if isinstance(answer, str) else rows[0].answer
        kind = "text/plain" if isinstance(answer, str) else "application/json"
        return {
            "status": {"code": 200, "message": None},
            "headers": {"content-type": [kind]},
            "body": {"string": body},
        }

    def _check(self, asked: Fingerprint, answer: Any) -> None:
        """Compare a stored answer with what would be stored of it.

        Raises:
            ValueError: it is another.
        """
        read = answer
        if asked.endpoint in _ANSWERED:
            wanted = Asked.of(asked.endpoint, asked.fields, 1)
            (one,) = read_answers({"choices": [answer]}, wanted).answers
            read = stored_choice(one, chat=wanted.chat)
        elif asked.endpoint == _TOKENIZE:
            read = {"tokens": read_tokens(answer)}
        elif isinstance(answer, str):
            answer.encode()
        if read != answer:
            raise Unusable("its answer holds more than is read of one")

    def _answered_by(self, asked: Fingerprint, rows: list[StoredAnswer]) -> str:
        """The model that has answered; where there are several, the first that was not asked."""
        names = [row.request.answered_by for row in rows]
        known_as = self._answers_as.get(asked.model)
        others = (name for name in names if other_model(asked.model, name, known_as))
        return next(others, names[0])

    def append(self, request: Request, response: dict[str, Any]) -> None:
        """Store what is read of an answer; what cannot be used is passed on and not stored.

        Raises:
            CassetteError: the answer repeats the text that was asked, or cannot be written.
        """
        sent: _Sent = request.tunebench_sent
        latency_ms = (time.perf_counter() - sent.started) * 1000
        status = response["status"]["code"]
        if 300 <= status < 400:
            self._redirected.to = _redirect(request, response, sent.asked)
        if not 200 <= status < 300:
            return
        try:
            content = decoded(response["body"]["string"], response["headers"])
            read = self._read(sent.asked, content)
        except (Unusable, ValueError):
            return  # the client reads it by the same rules and says what is wrong with it
        if read is None:
            return
        try:
            self._store(sent.asked, read, latency_ms)
        except CassetteError as error:
            self._refused = error
            raise

    def _read(self, asked: Fingerprint, content: bytes) -> _Read | None:
        """What is stored of an answer; None where nothing is.

        Raises:
            ValueError: it cannot be used.
        """
        if asked.endpoint in _ANSWERED:
            known_as = self._answers_as.get(asked.model)
            wanted = Asked.of(asked.endpoint, asked.fields, len(asked.prompts), known_as)
            read = read_answers(parsed(content), wanted)
            choices = [stored_choice(one, chat=wanted.chat) for one in read.answers]
            return _Read(choices, read.usage, read.server, read.model)
        if asked.endpoint == _TOKENIZE:
            return _Read([{"tokens": read_tokens(parsed(content))}])
        if _FILE_CONTENT.fullmatch(asked.endpoint):
            read_result(content)
            return _Read([content.decode()])
        body = self._stored(asked, parsed(content))
        return None if body is None else _Read([body])

    def _store(self, asked: Fingerprint, read: _Read, latency_ms: float) -> None:
        answers = [without_secrets(answer) for answer in read.answers]
        texts = long_texts(asked.prompts) + self._texts
        if repeats(answers, texts) or repeats([read.server, read.model], texts):
            raise CassetteError(
                f"{self.file.path}: the answer of {asked.endpoint!r} repeats the prompt, or a text "
                "in it, and a cassette must not hold the texts of the data set; turn that off at "
                "the provider, or lower [task] max_tokens if the model quotes the text."
            )
        line = asked.line(hidden(read.server), hidden(read.model))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.file.append(
            line,
            [
                Row(
                    prompt=sha256,
                    request=line.id,
                    item=self._items.get(sha256),
                    recorded_at=now,
                    latency_ms=round(latency_ms, 3),
                    prompts=len(asked.prompts),
                    usage=(read.usage.prompt_tokens, read.usage.completion_tokens),
                    answer=answer,
                )
                for sha256, answer in zip(asked.prompt_sha256, answers, strict=True)
            ],
            sync=self.sync,
        )

    def _play(self, row: StoredAnswer) -> None:
        self.played[row.position] = Played.of(row)

    def _redirect_of(self, request: Request) -> Fingerprint | None:
        """The request whose answer sent this thread's client to this address, if one did."""
        to: _Redirect | None = getattr(self._redirected, "to", None)
        self._redirected.to = None
        # The client may not have followed it, and now ask something else at that very address.
        if to is None or (to.address, to.body) != (_address(request.uri), request.body or b""):
            return None
        return to.asked

    def _found(self, asked: Fingerprint) -> list[int] | None:
        """Where the answers to a request are, if all are there."""
        hashes = [bytes.fromhex(sha256) for sha256 in asked.prompt_sha256]
        return self.file.find(asked.digest, hashes)

    def lacking(
        self, endpoint: str, fields: Mapping[str, Any], prompts: Iterable[Any]
    ) -> list[Any]:
        """The prompts of which the file has no answer, in their order.

        Args:
            endpoint: as ``POST completions``.
            fields: of the request's body but for the prompts.
            prompts: texts, or the messages of chats.
        """
        body = json.dumps(fields).encode()
        digest = fingerprint("POST", endpoint.removeprefix("POST "), body).digest
        return [
            prompt
            for prompt in prompts
            if not self.file.holds(digest, text_sha256(prompt_text(prompt)))
        ]

    def told(self) -> Told:
        """What the rows say that were played, but for those of ``/tokenize``."""
        return told_of(row for row in self.played.values() if row.request.endpoint in _ANSWERED)

    # What another kind of traffic decides otherwise.

    sync = False

    def _asked(self, asked: Fingerprint) -> Fingerprint:
        """A request as the file knows it."""
        return asked

    def _miss(self, asked: Fingerprint) -> CassetteError:
        """The error of a request without an answer, while nothing is recorded."""
        return self._explainer.miss(asked)

    def _stored(self, _asked: Fingerprint, body: Any) -> Any:
        """What is stored of an answer that is not text of a model; None where nothing is."""
        return body

    # What else vcrpy's base class reads from the list of interactions that we do not keep.

    def find_requests_with_most_matches(self, _request: Request) -> list[Any]:
        """Nothing: a miss has been explained before vcrpy asks for this."""
        return []

    def __len__(self) -> int:
        return len(self.file)

    def __contains__(self, request: Request) -> bool:
        asked = fingerprint(request.method, request.uri, request.body or b"")
        return self._found(self._asked(asked)) is not None

    @property
    def requests(self) -> list[Any]:
        """What the stored rows answer."""
        return [row.request for row in self.file.rows()]

    @property
    def responses(self) -> list[Any]:
        """The stored answers."""
        return [row.row.answer for row in self.file.rows()]

    @property
    def all_played(self) -> bool:
        """Whether every row was asked for."""
        return len(self.played) == len(self.file)

    @property
    def unplayed(self) -> list[str]:
        """The keys of the rows that nothing asked for, in the order of the file."""
        if self.all_played:
            return []
        rows = (self.file.answer(at) for at in self.file.positions() if at not in self.played)
        return [row.row.key for row in rows if not is_note(row.request.endpoint)]

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
    answers_as: Mapping[str, str] | None = None,
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
        answers_as: the names that models are known to answer with, by the names they are asked by.
        kind: of traffic.
    """
    context = kind.use(
        path=str(file.path),
        file=file,
        before_send=before_send,
        items=items,
        texts=texts,
        hint=hint,
        answers_as=answers_as,
    )
    with context as cassette:
        yield cassette


def item_index(prompts: Mapping[str, Any]) -> dict[str, str]:
    """Item id by prompt SHA-256, from prompts (texts, or a chat's messages) by item id."""
    return {text_sha256(prompt_text(prompt)): item for item, prompt in prompts.items()}


def _redirect(
    request: Request, response: Mapping[str, Any], asked: Fingerprint
) -> _Redirect | None:
    """Where an answer sends a request to, in the words of the client, which goes there."""
    import httpx2  # late: a replay is never sent elsewhere

    try:
        location = httpx2.URL(request.uri).join(response["headers"]["location"][0])
    except (KeyError, httpx2.InvalidURL):
        return None
    return _Redirect(_address(str(location)), request.body or b"", asked)


def _address(url: str) -> str:
    return url.partition("#")[0]
