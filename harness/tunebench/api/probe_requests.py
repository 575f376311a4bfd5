"""The requests of a probe, for completions and for chat. None changes anything at the provider."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

import openai

from tunebench.errors import RequestError, TunebenchError
from tunebench.presets import Endpoint, MaxTokensField
from tunebench.wire import within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tunebench.api.client import Client

_WORDS = ("one two three four", "red green blue yellow")
_FEW = 4  # tokens: too few to count to twenty
_CANDIDATES = 5
UNSHOWN = "steers the answer but not the log-probabilities shown"
# Ids that any vocabulary has. Forced one after the other, they make two answers.
_FORCED = ("100", "200")
# These say nothing about the capability in question.
_USELESS = openai.APIConnectionError | openai.AuthenticationError | openai.RateLimitError


@dataclass(frozen=True)
class Finding:
    """One thing that a provider can or cannot do.

    Attributes:
        name: such as ``completions``, ``chat`` and the names of `supports`.
        endpoint: the kind of request that was used, or None where there is only one.
        found: whether the provider can do it.
        detail: the evidence, or why not, in the provider's words.
    """

    name: str
    endpoint: Endpoint | None
    found: bool
    detail: str = ""


@dataclass(frozen=True)
class Heard:
    """An answer: its body and headers, or the error."""

    body: dict[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def choice(self) -> dict[str, Any]:
        """The first choice; empty if there is none."""
        first = within(self.body, "choices", 0)
        return first if isinstance(first, dict) else {}

    @property
    def short(self) -> bool:
        """Whether it kept the limit of its tokens."""
        tokens = within(self.body, "usage", "completion_tokens")
        if isinstance(tokens, int):
            return tokens <= _FEW
        return self.choice.get("finish_reason") == "length"

    @property
    def rank(self) -> tuple[bool, bool]:
        """For sorting: answers that kept the limit first, errors last."""
        return bool(self.error), not self.short


class _Kind(ABC):
    """One of the two kinds of request, and what the provider can do with it."""

    name: Endpoint
    first: Heard

    def __init__(self, client: Client, model: str) -> None:
        self._client, self._model = client, model

    @abstractmethod
    def _ask(self, **fields: Any) -> Heard:
        """Make the request, with further fields of its body."""

    @abstractmethod
    def _text(self, heard: Heard) -> Any:
        """The text of an answer's first choice."""

    def same_twice(self) -> Finding:
        """Whether the greedy answer to the same request is the same again."""
        texts = [self._text(heard) for heard in (self.first, self._ask())]
        return Finding("same answer twice", None, texts[0] == texts[1], self.name)

    def _post(self, path: str, body: dict[str, Any]) -> Heard:
        heard = send(self._client, path, {"model": self._model, "temperature": 0, **body})
        if not heard.error and self._text(heard) is None:
            return Heard(error="the answer holds no choice with a text.")
        return heard

    @abstractmethod
    def _shown(self, heard: Heard) -> tuple[str, ...]:
        """The first token's candidates, the likeliest first; none if the answer has none."""

    def _logprobs_and_bias(self, **fields: Any) -> Iterator[Finding]:
        """Both together, too: a decision rule reads the log-probabilities under a bias."""
        free = self._ask(**fields)
        shown = self._shown(free)
        detail = free.error or (f"{len(shown)} candidates" if shown else "taken, but none given")
        logprobs = Finding("logprobs", self.name, len(shown) > 1, detail)
        yield logprobs
        asked = fields if logprobs.found else {}
        biased = [self._ask(logit_bias={token: 100}, **asked) for token in _FORCED]
        error = next((heard.error for heard in biased if heard.error), "")
        if error or len({self._text(heard) for heard in (self.first, *biased)}) == 1:
            detail = error or "taken, but without effect"
        else:
            # A forced token is the likeliest, unless the log-probabilities do not show the bias.
            firsts = {self._shown(heard)[:1] for heard in (free, *biased)}
            detail = UNSHOWN if logprobs.found and len(firsts) == 1 else ""
        yield Finding("logit_bias", self.name, not detail, detail)


class Completions(_Kind):
    """Plain prompts to be continued."""

    name = "completions"

    def __init__(self, client: Client, model: str) -> None:
        super().__init__(client, model)
        self.first = self._ask()

    def _ask(self, **fields: Any) -> Heard:
        return self._post("/completions", {"prompt": _WORDS[0], "max_tokens": _FEW, **fields})

    def _text(self, heard: Heard) -> Any:
        return heard.choice.get("text")

    def findings(self) -> Iterator[Finding]:
        """What such requests can do."""
        if self.first.error:
            return
        yield Finding("max_tokens", self.name, self.first.short)
        listed = self._ask(prompt=list(_WORDS))
        count = len(listed.body.get("choices") or ())
        detail = listed.error or f"{count} choices for {len(_WORDS)} prompts"
        yield Finding("lists", self.name, not listed.error and count == len(_WORDS), detail)
        yield from self._logprobs_and_bias(logprobs=_CANDIDATES)

    def _shown(self, heard: Heard) -> tuple[str, ...]:
        top = within(heard.choice, "logprobs", "top_logprobs", 0)
        return _by_likelihood(top.items()) if isinstance(top, dict) else ()


class Chat(_Kind):
    """Conversations of one question, limited by the field that the provider keeps, or accepts."""

    name = "chat"

    def __init__(self, client: Client, model: str) -> None:
        super().__init__(client, model)
        self._limits = {name: self._with_limit(name) for name in get_args(MaxTokensField)}
        ranked = sorted(self._limits, key=lambda name: self._limits[name].rank)
        self._field = ranked[0]
        self.first = self._limits[self._field]

    def _ask(self, **fields: Any) -> Heard:
        return self._with_limit(self._field, **fields)

    def _text(self, heard: Heard) -> Any:
        return within(heard.choice, "message", "content")

    def findings(self) -> Iterator[Finding]:
        """What such requests can do."""
        if self.first.error:
            return
        for name, heard in self._limits.items():
            yield Finding(name, self.name, heard.short, heard.error)
        yield from self._logprobs_and_bias(logprobs=True, top_logprobs=_CANDIDATES)

    def _shown(self, heard: Heard) -> tuple[str, ...]:
        top = within(heard.choice, "logprobs", "content", 0, "top_logprobs")
        if not isinstance(top, list):
            return ()
        return _by_likelihood((within(one, "token"), within(one, "logprob")) for one in top)

    def _with_limit(self, name: str, **fields: Any) -> Heard:
        messages = [{"role": "user", "content": "Count from one to twenty, in words."}]
        return self._post("/chat/completions", {"messages": messages, name: _FEW, **fields})


def _by_likelihood(candidates: Iterable[tuple[Any, Any]]) -> tuple[str, ...]:
    seen = [(token, logprob) for token, logprob in candidates if isinstance(logprob, int | float)]
    return tuple(token for token, _ in sorted(seen, key=lambda one: -one[1]))


def send(client: Client, path: str, body: dict[str, Any] | None = None) -> Heard:
    """Make a request; a refusal is an answer, too.

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
        if isinstance(error.__cause__, _USELESS):
            raise
        return Heard(error=str(TunebenchError(error.problem, hint=error.hint)))
