"""A client for completions, chats and embeddings, on top of the `openai` package.

Connections, retries, time-outs and error classes are that package's. Answers are read by
`tunebench.wire` from their JSON instead of the package's models, which costs a third less a
request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, Unpack

import openai

from tunebench.api.batches import Hooks, Reply, in_batches
from tunebench.api.failures import failure, unreadable
from tunebench.api.prompts import Prompt, request_of
from tunebench.api.transport import http_client
from tunebench.errors import RequestError
from tunebench.wire import (
    Answers,
    Asked,
    Embeddings,
    Unusable,
    parsed,
    read_answers,
    read_embeddings,
    read_tokens,
    reported,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tunebench.api.pacing import Pacer

_T = TypeVar("_T")

# The API itself takes lists of texts for embeddings.
_TEXTS_PER_REQUEST = 20


class Client:
    """A connection to one provider. Make one and keep it; close it, or use it in a ``with``.

    Args:
        base_url: the provider's API root, such as ``http://127.0.0.1:8017/v1``.
        api_key: its key; servers without one take any.
        prompts_per_request: how many prompts one request may hold; 1 where the provider takes no
            lists.
        concurrency: how many requests may be under way at once.
        retries: how often the `openai` package repeats a request after a time-out, a lost
            connection or a status 408, 409, 429 or 5xx. 0 on replay: a miss stays a miss.
        timeout: seconds to wait for one answer.
        answers_as: the names that models answer with, by the names in requests, where a provider
            gives a model another.
        pacer: sends completions no faster than the provider allows; None on replay.
        offline: whether nothing is ever sent, so nothing of the machine's network set-up, such as
            proxies and certificates, is read.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        prompts_per_request: int = 20,
        concurrency: int = 1,
        retries: int = 0,
        timeout: float = 600.0,
        answers_as: Mapping[str, str] | None = None,
        pacer: Pacer | None = None,
        offline: bool = False,
    ) -> None:
        self.base_url = base_url
        self.timeout = timeout
        self._answers_as = answers_as or {}
        self._pacer = pacer
        self._prompts_per_request = prompts_per_request
        self._concurrency = concurrency
        self._openai = openai.OpenAI(
            base_url=base_url,
            api_key=api_key,
            max_retries=retries,
            timeout=timeout,
            http_client=http_client(
                base_url, offline=offline, hear=None if pacer is None else pacer.hear
            ),
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._openai.close()

    def complete(
        self,
        model: str,
        prompts: Sequence[Prompt],
        parameters: Mapping[str, Any],
        **hooks: Unpack[Hooks],
    ) -> list[Answers]:
        """Ask for one answer to each prompt.

        Args:
            model: the model's name at the provider.
            prompts: texts, which are sent in lists of `prompts_per_request`, in order; or
                conversations, which are sent one by one.
            parameters: further fields of the request's body, such as ``max_tokens``.
            hooks: what is called on the way.

        Returns:
            One for each request; their answers, joined, are in the order of the prompts.

        Raises:
            RequestError: a request failed for good. Requests already under way are finished first
                (and recorded, where a cassette records); no further one is sent.
        """
        return list(self.stream(model, prompts, parameters, **hooks))

    def stream(
        self,
        model: str,
        prompts: Sequence[Prompt],
        parameters: Mapping[str, Any],
        **hooks: Unpack[Hooks],
    ) -> Iterator[Answers]:
        """As `complete`, one after the other: only the prompts and answers under way are kept.

        The prompts are taken from the sequence by slices, as they are sent.
        """
        chat = bool(prompts) and not isinstance(prompts[0], str)

        def send(part: Sequence[Prompt], start: int) -> Answers:
            return self._ask(model, part, parameters, _place("prompts", part, start, prompts))

        size = 1 if chat else self._prompts_per_request
        return self._in_batches(prompts, size, send, parameters, hooks)

    def embed(
        self,
        model: str,
        texts: Sequence[str],
        parameters: Mapping[str, Any],
        **hooks: Unpack[Hooks],
    ) -> list[Embeddings]:
        """Ask for the embedding of each text, in lists of 20; otherwise as `complete`."""
        known_as = self._answers_as.get(model)

        def send(part: Sequence[str], start: int) -> Embeddings:
            place = _place("texts", part, start, texts)
            fields = {"model": model, "input": list(part), **parameters}
            return self.ask(
                f"model {model!r} at {self.base_url}, {place}",
                lambda _: self._post("/embeddings", fields),
                lambda body: read_embeddings(_object(body), model, len(part), known_as),
            )

        return list(self._in_batches(texts, _TEXTS_PER_REQUEST, send, {}, hooks))

    def _in_batches(
        self,
        prompts: Sequence[Any],
        size: int,
        send: Callable[[Sequence[Any], int], Reply],
        parameters: Mapping[str, Any],
        hooks: Hooks,
    ) -> Iterator[Reply]:
        return in_batches(
            prompts,
            size,
            send,
            parameters,
            hooks,
            concurrency=self._concurrency,
            pacer=self._pacer,
        )

    def tokenize(self, model: str, text: str) -> list[int]:
        """The token ids of a text as a continuation, by the provider's ``/tokenize``.

        vLLM and tunebench's own server have that endpoint, beside the API root; OpenAI has not.
        """
        url = self.base_url.removesuffix("/").removesuffix("/v1") + "/tokenize"
        body = {"model": model, "prompt": text, "add_special_tokens": False}
        return self.ask(
            f"/tokenize at {url}",
            lambda _: self._post(url, body),
            lambda answer: read_tokens(_object(answer)),
        )

    def _ask(
        self, model: str, prompts: Sequence[Prompt], parameters: Mapping[str, Any], where: str
    ) -> Answers:
        path, asking = request_of(prompts, lists=self._prompts_per_request > 1)
        fields = {"model": model, **asking, **parameters}
        asked = Asked.of(path, fields, len(prompts), self._answers_as.get(model))
        return self.ask(
            f"model {model!r} at {self.base_url}, {where}",
            lambda _: self._post(path, fields),
            lambda body: read_answers(_object(body), asked),
        )

    def _post(self, url: str, body: dict[str, Any]) -> bytes:
        raw = openai.HttpxBinaryResponseContent
        return self._openai.post(url, body=body, cast_to=raw).content

    def call(self, what: str, send: Callable[[openai.OpenAI], bytes]) -> bytes:
        """Make a request with the `openai` client; `what` is its name in an error.

        Raises:
            RequestError: the request failed for good.
        """
        try:
            return send(self._openai)
        except openai.APIError as error:
            found = failure(error, what, self._openai)
            # An error of the cassette or the network guard, below the client, arrives wrapped.
            raise found from (None if found is error.__cause__ else error)
        except UnicodeEncodeError as error:
            raise RequestError(
                f"a text holds a lone surrogate ({error.object[error.start]!r}), which JSON in "
                "UTF-8 cannot carry",
                where=what,
                hint="fix that text in the data",
            ) from error

    def ask(
        self,
        what: str,
        send: Callable[[openai.OpenAI], bytes],
        read: Callable[[Any], _T],
        parse: Callable[[bytes], Any] = parsed,
    ) -> _T:
        """Make a request and read its answer, JSON; `what` is its name in an error.

        `read` raises `Unusable`, or any `ValueError` for a value that is not an answer at all.

        Raises:
            RequestError: the request failed for good, or the answer cannot be used; then its cause
                is a `ValueError`.
        """
        content = self.call(what, send)
        try:
            return read(parse(content))
        except Unusable as why:
            raise RequestError(why.problem, where=what, hint=why.hint) from why
        except ValueError as why:
            raise unreadable(content, what, self.base_url) from why

    def ask_object(self, what: str, send: Callable[[openai.OpenAI], bytes]) -> dict[str, Any]:
        """As `ask`, for an answer that is any JSON object."""
        return self.ask(what, send, _object)


def _place(what: str, part: Sequence[Any], start: int, of: Sequence[Any]) -> str:
    return f"{what} {start + 1}-{start + len(part)} of {len(of)}"


def _object(body: Any) -> dict[str, Any]:
    if isinstance(body, dict):
        return body
    if words(body):
        raise reported(body)
    raise ValueError("not an object")
