"""The requests of a probe, for completions and for chat. None changes anything at the provider."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, get_args

import openai

from tunebench.api.refusals import is_unreachable
from tunebench.errors import RequestError, TunebenchError
from tunebench.presets import Endpoint, MaxTokensField
from tunebench.wire import within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tunebench.api.client import Client

_PROMPTS = ("one two three four", "red green blue yellow")
_MESSAGES = [{"role": "user", "content": "Count from one to twenty, in words."}]
_FEW = 4  # tokens: too few to count to twenty
# As the decision rules ask: the most that each API shows. Some chats show fewer.
_CANDIDATES, _CHAT_CANDIDATES, _FEWER_CANDIDATES = 5, 20, 5
UNSHOWN = "steers the answer but not the log-probabilities shown"
# Ids that any vocabulary has. Forced one after the other, they make two answers.
_FORCED = ("100", "200")
_NO_SUCH_PATH = (404, 405, 501)
# These say nothing about the capability in question.
_USELESS = openai.APITimeoutError | openai.AuthenticationError | openai.RateLimitError


@dataclass(frozen=True)
class Finding:
    """One thing that a provider can or cannot do.

    Attributes:
        endpoint: the kind of request that was used, or None where there is only one.
        detail: the evidence, or why not, in the provider's words.
        limit: the most that it gives, where a decision rule asks for more.
    """

    name: str
    endpoint: Endpoint | None
    found: bool
    detail: str = ""
    limit: int | None = None


@dataclass(frozen=True)
class Heard:
    """An answer: its body and headers, or the error.

    Attributes:
        problem: of the error, without a hint.
        hint: how to fix it; None where there is no such path.
        missing: whether there is no such path, or no such model on it.
    """

    body: dict[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    hint: str | None = None
    missing: bool = False

    @property
    def error(self) -> str:
        """The error as a sentence; empty for an answer."""
        return str(TunebenchError(self.problem, hint=self.hint)) if self.problem else ""

    @property
    def choice(self) -> dict[str, Any]:
        """The first choice; empty if there is none."""
        first = within(self.body, "choices", 0)
        return first if isinstance(first, dict) else {}

    @property
    def text(self) -> Any:
        """The text of the first choice; None if there is none."""
        text = within(self.choice, "text")
        return within(self.choice, "message", "content") if text is None else text

    @property
    def candidates(self) -> tuple[str, ...]:
        """The first token's candidates, the likeliest first; none if the answer has none."""
        top = within(self.choice, "logprobs", "top_logprobs", 0)
        if isinstance(top, dict):
            return _by_likelihood(top.items())
        top = within(self.choice, "logprobs", "content", 0, "top_logprobs")
        if isinstance(top, list):
            return _by_likelihood((within(one, "token"), within(one, "logprob")) for one in top)
        return ()

    @property
    def is_short(self) -> bool:
        """Whether it kept the limit of its tokens."""
        tokens = within(self.body, "usage", "completion_tokens")
        if isinstance(tokens, int):
            return tokens <= _FEW
        return self.choice.get("finish_reason") == "length"


class Completions:
    """What a provider can do with plain prompts."""

    name: ClassVar[Endpoint] = "completions"
    _path = "/completions"
    _logprobs: ClassVar[dict[str, Any]] = {"logprobs": _CANDIDATES}
    _fewer_logprobs: ClassVar[dict[str, Any]] = {}

    def __init__(self, client: Client, model: str) -> None:
        self._client, self._model = client, model
        self._body: dict[str, Any] = {"prompt": _PROMPTS[0], "max_tokens": _FEW}
        self.first = self._ask()

    def findings(self) -> Iterator[Finding]:
        """What such requests can do; nothing where they are refused."""
        if self.first.error:
            return
        yield Finding("max_tokens", self.name, self.first.is_short)
        listed = self._ask(prompt=list(_PROMPTS))
        count = len(listed.body.get("choices") or ())
        detail = listed.error or f"{count} choices for {len(_PROMPTS)} prompts"
        yield Finding("lists", self.name, not listed.error and count == len(_PROMPTS), detail)
        yield from self._logprobs_and_bias()

    def same_twice(self) -> Finding:
        """Whether the greedy answer to the same request is the same again."""
        return Finding("same answer twice", None, self.first.text == self._ask().text, self.name)

    def _ask(self, **fields: Any) -> Heard:
        body = {"model": self._model, "temperature": 0, **self._body, **fields}
        heard = send(self._client, self._path, body)
        if not heard.error and heard.text is None:
            return Heard(problem="the answer holds no choice with a text")
        return heard

    def _logprobs_and_bias(self) -> Iterator[Finding]:
        """Both together, too: a decision rule reads the log-probabilities under a bias."""
        asked, limit = self._logprobs, None
        free = self._ask(**asked)
        if free.error and self._fewer_logprobs:
            fewer = self._ask(**self._fewer_logprobs)
            if not fewer.error:
                free, asked, limit = fewer, self._fewer_logprobs, _FEWER_CANDIDATES
        shown = free.candidates
        detail = free.error or (f"{len(shown)} candidates" if shown else "taken, but none given")
        if limit is not None and shown:
            detail += f"; {_CHAT_CANDIDATES} are refused"
        logprobs = Finding("logprobs", self.name, len(shown) > 1, detail, limit)
        yield logprobs
        if not logprobs.found:
            asked = {}
        biased = [self._ask(logit_bias={token: 100}, **asked) for token in _FORCED]
        error = next((heard.error for heard in biased if heard.error), "")
        if error or len({heard.text for heard in (self.first, *biased)}) == 1:
            detail = error or "taken, but without effect"
        else:
            # A forced token is the likeliest, unless the log-probabilities do not show the bias.
            firsts = {heard.candidates[:1] for heard in (free, *biased)}
            detail = UNSHOWN if logprobs.found and len(firsts) == 1 else ""
        yield Finding("logit_bias", self.name, not detail, detail)


class Chat(Completions):
    """What a provider can do with conversations, limited by the field that it keeps, or accepts."""

    name = "chat"
    _path = "/chat/completions"
    _logprobs: ClassVar[dict[str, Any]] = {"logprobs": True, "top_logprobs": _CHAT_CANDIDATES}
    _fewer_logprobs: ClassVar[dict[str, Any]] = {**_logprobs, "top_logprobs": _FEWER_CANDIDATES}

    def __init__(self, client: Client, model: str) -> None:
        self._client, self._model = client, model
        self._body = {"messages": _MESSAGES}
        self._limits = {name: self._ask(**{name: _FEW}) for name in get_args(MaxTokensField)}
        kept = min(self._limits.items(), key=lambda one: (bool(one[1].error), not one[1].is_short))
        self._body[kept[0]] = _FEW
        self.first = kept[1]

    def findings(self) -> Iterator[Finding]:
        """What such requests can do; nothing where they are refused."""
        if self.first.error:
            return
        for name, heard in self._limits.items():
            yield Finding(name, self.name, heard.is_short, heard.error)
        yield from self._logprobs_and_bias()


def _by_likelihood(candidates: Iterable[tuple[Any, Any]]) -> tuple[str, ...]:
    seen = [(token, logprob) for token, logprob in candidates if isinstance(logprob, int | float)]
    return tuple(token for token, _ in sorted(seen, key=lambda one: -one[1]))


def send(
    client: Client, path: str, body: dict[str, Any] | None = None, *, first: bool = False
) -> Heard:
    """Make a request; a refusal is an answer, too, and after the first one a broken connection.

    Raises:
        RequestError: the provider does not run, refuses the key, or wants a pause.
    """
    headers: dict[str, str] = {}
    what = path if path.startswith("http") else f"{client.base_url}{path}"

    def request(api: openai.OpenAI) -> bytes:
        raw = openai.HttpxBinaryResponseContent
        made = (
            api.get(path, cast_to=raw) if body is None else api.post(path, cast_to=raw, body=body)
        )
        headers.update(made.response.headers)
        return made.content

    try:
        return Heard(client.ask_object(what, request), headers)
    except RequestError as error:
        if isinstance(error.__cause__, _USELESS) or (first and is_unreachable(error)):
            raise
        missing = isinstance(error.__cause__, openai.APIStatusError) and (
            error.__cause__.status_code in _NO_SUCH_PATH
        )
        return Heard(problem=error.problem, hint=None if missing else error.hint, missing=missing)
