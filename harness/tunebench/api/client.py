"""Ask a provider for completions or chats.

The `openai` package does the talking: connections, retries, time-outs and error classes are its
own. What is asked stands in `tunebench.api.answers`, what is read of an answer in `tunebench.wire`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2
import openai

from tunebench.api.answers import Answer, Prompt, request_of
from tunebench.api.failures import reason, unreadable
from tunebench.api.pacing import Pacer, estimated_tokens
from tunebench.api.uploads import meter_upload
from tunebench.errors import RequestError, TunebenchError
from tunebench.wire import Asked, Unusable, parsed, read_answers, read_tokens, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_KEEPS_METHOD = (307, 308)
# One adds a slash to a path, or takes it away.
_MAX_REDIRECTS = 5
_FAILED: dict[type[BaseException], str] = {
    httpx2.DecodingError: "the answer is compressed and cannot be decoded ({}); turn compression "
    "off at the provider, or at a proxy before it.",
    httpx2.TooManyRedirects: "the provider redirects from one address to the next and never "
    "answers; check that base_url is the API root.",
}


@dataclass(frozen=True)
class Reply:
    """The answers to one request, which may hold several prompts.

    Attributes:
        answers: one for each prompt, in their order.
        prompt_tokens: tokens of all prompts; 0 where the provider does not tell.
        completion_tokens: tokens of all completions; 0 where the provider does not tell.
        server: what the server says of itself (``system_fingerprint``), or an empty string.
        model: the model that the provider says has answered, or an empty string.
    """

    answers: tuple[Answer, ...]
    prompt_tokens: int
    completion_tokens: int
    server: str = ""
    model: str = ""


class Client:
    """A connection to one provider. Make one and keep it; close it, or use it in a ``with``.

    Args:
        base_url: the provider's API root, such as ``http://127.0.0.1:8017/v1``.
        api_key: its key; local servers take any.
        prompts_per_request: how many prompts one request may hold; 1 where the provider takes no
            lists.
        concurrency: how many requests may be under way at once.
        retries: how often the `openai` package repeats a request after a time-out, a lost
            connection or a status 408, 409, 429 or 5xx. 0 on replay: a miss stays a miss.
        timeout: seconds to wait for one answer.
        answers_as: the names that models answer with, by the names they are asked by, where a
            provider gives a model another.
        pacer: lets completions leave no faster than the provider allows; None on replay.
        offline: whether nothing is ever sent, so that nothing of the machine's network set-up, such
            as proxies and certificates, is looked at.
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
        self._origin = _origin(httpx2.URL(base_url))
        self._answers_as = answers_as or {}
        self._pacer = pacer
        self._prompts_per_request = prompts_per_request
        self._concurrency = concurrency
        # A proxy that the environment names has no way to a server on this machine, and without
        # encryption no certificate is looked at: reading them all takes a while.
        url = urlsplit(base_url)
        local = url.hostname in ("127.0.0.1", "::1", "localhost")
        self._openai = openai.OpenAI(
            base_url=base_url,
            api_key=api_key,
            max_retries=retries,
            timeout=timeout,
            http_client=openai.DefaultHttpxClient(
                trust_env=not (local or offline),
                verify=not (offline or (local and url.scheme == "http")),
                # Compressed answers can be read, too, but are no use to anybody here.
                headers={"accept-encoding": "identity"},
                max_redirects=_MAX_REDIRECTS,
                event_hooks={
                    "request": [meter_upload, self._check_origin],
                    "response": [_check_redirect, *([pacer.hear] if pacer else [])],
                },
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
        *,
        done: Callable[[int], None] = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> list[Reply]:
        """Ask for one answer to each prompt.

        Args:
            model: the model's name at the provider.
            prompts: texts, which are sent in lists of `prompts_per_request`, in order; or
                conversations, which are sent one by one.
            parameters: further fields of the request's body, such as ``max_tokens``.
            done: called with the number of prompts answered, after each answered request.
            say: told in a line where the pacer makes requests wait for more than some seconds.

        Returns:
            One reply a request; their answers, joined, are in the order of the prompts.

        Raises:
            RequestError: a request failed for good. Requests already under way are finished first
                (and recorded, where a cassette records); no further one is sent.
        """
        chat = bool(prompts) and not isinstance(prompts[0], str)
        size = 1 if chat else self._prompts_per_request
        batches = [(i, prompts[i : i + size]) for i in range(0, len(prompts), size)]

        failures: list[BaseException] = []

        def go_on() -> None:
            if failures:
                raise failures[0]

        def ask(batch: tuple[int, Sequence[Prompt]]) -> Reply:
            start, part = batch
            where = f"prompts {start + 1}-{start + len(part)} of {len(prompts)}"

            def send() -> Reply:
                return self._ask(model, part, parameters, where)

            go_on()
            try:
                if self._pacer is None:
                    reply = send()
                else:
                    reply = self._pacer.ask(send, estimated_tokens(part, parameters), go_on, say)
            except BaseException as error:
                failures.append(error)
                raise
            done(len(part))
            return reply

        if self._concurrency == 1 or len(batches) == 1:
            return [ask(batch) for batch in batches]
        with ThreadPoolExecutor(self._concurrency) as pool:
            futures = [pool.submit(ask, batch) for batch in batches]
            try:
                return [future.result() for future in futures]
            except BaseException as error:
                failures.append(error)  # where this thread was interrupted, none waits any longer
                pool.shutdown(cancel_futures=True)
                raise

    def tokenize(self, model: str, text: str) -> list[int]:
        """The token ids of a text as a continuation, by the provider's ``/tokenize``.

        vLLM and tunebench's own server have that endpoint, beside the API root; OpenAI has not.

        Raises:
            RequestError: the provider refused, or gave no token ids.
        """
        url = self.base_url.removesuffix("/").removesuffix("/v1") + "/tokenize"
        body = {"model": model, "prompt": text, "add_special_tokens": False}
        what = f"/tokenize at {url}"
        reply = self.call_json(what, lambda _: self._post(url, body).content)
        try:
            return read_tokens(reply)
        except Unusable as problem:
            raise RequestError(f"{what}: {problem.end}") from None

    def _ask(
        self, model: str, prompts: Sequence[Prompt], parameters: Mapping[str, Any], where: str
    ) -> Reply:
        what = f"model {model!r} at {self.base_url}, {where}"
        path, asking = request_of(prompts, lists=self._prompts_per_request > 1)
        fields = {"model": model, **asking, **parameters}
        body = self.call_json(what, lambda _: self._post(path, fields).content)
        asked = Asked.of(path, fields, len(prompts), self._answers_as.get(model))
        try:
            read = read_answers(body, asked)
        except Unusable as problem:
            raise RequestError(f"{what}: {problem.end}") from None
        return Reply(
            answers=read.answers,
            prompt_tokens=read.usage.prompt_tokens or 0,
            completion_tokens=read.usage.completion_tokens or 0,
            server=read.server,
            model=read.model,
        )

    def _post(self, url: str, body: dict[str, Any]) -> openai.HttpxBinaryResponseContent:
        return self._openai.post(url, body=body, cast_to=openai.HttpxBinaryResponseContent)

    def call(self, what: str, send: Callable[[openai.OpenAI], bytes]) -> bytes:
        """Make a request with the `openai` client, its errors turned into sentences.

        Args:
            what: what is asked, for the beginning of an error's sentence.
            send: makes the request and gives the answer's bytes.

        Raises:
            RequestError: the request failed for good.
        """
        try:
            return send(self._openai)
        except openai.APIError as error:
            # What a cassette or the network guard raises below the client arrives wrapped.
            cause = error.__cause__
            if isinstance(cause, TunebenchError):
                raise cause from None
            if cause is not None and (said := _FAILED.get(type(cause))) is not None:
                raise RequestError(f"{what}: {said.format(cause)}") from error
            raise RequestError(f"{what}: {reason(error, self._openai)}") from error
        except UnicodeEncodeError as error:
            raise RequestError(
                f"{what}: a text holds a lone surrogate ({error.object[error.start]!r}), which "
                "JSON in UTF-8 cannot carry; fix that text in the data."
            ) from error

    def call_json(self, what: str, send: Callable[[openai.OpenAI], bytes]) -> dict[str, Any]:
        """As `call`, for an answer that is a JSON object.

        Raises:
            RequestError: the request failed for good, or the answer is not a JSON object.
        """
        content = self.call(what, send)
        try:
            body = parsed(content)
        except ValueError:
            body = None
        if isinstance(body, dict):
            return body
        if said := words(body).rstrip("."):
            raise RequestError(f"{what}: the provider answered with an error: {said}.")
        raise RequestError(f"{what}: {unreadable(content, self.base_url)}")

    def _check_origin(self, request: httpx2.Request) -> None:
        """An httpx2 event hook: whatever a redirect says, nothing is sent to another origin.

        Raises:
            RequestError: the texts, and the key, would be sent to another host.
        """
        if _origin(request.url) != self._origin:
            raise _refused(self.base_url, request.url)


def _check_redirect(response: httpx2.Response) -> None:
    """An httpx2 event hook: a redirect that loses what is asked on its way is not followed.

    Raises:
        RequestError: the texts would not be sent again.
    """
    keeps_method = response.request.method == "GET" or response.status_code in _KEEPS_METHOD
    if response.has_redirect_location and not keeps_method:
        raise _refused(response.request.url, response.headers["location"])


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _refused(here: httpx2.URL | str, there: httpx2.URL | str) -> RequestError:
    return RequestError(
        f"{here}: the provider redirects to {there}, which is not followed; if that is the right "
        "address, make it the provider's base_url."
    )
