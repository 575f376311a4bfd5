"""The key of a request: everything that changes the answer, and nothing else.

A request's digest covers the endpoint, the model and the body without its prompts, in a canonical
form. A prompt's key is that digest and the prompt itself, so it does not depend on the other
prompts of the request. Host, port, API key, headers, the order of JSON keys and the boundary of a
multipart body are left out; an uploaded file counts by its name and the hash of its content.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tunebench.cassettes.lines import RequestLine
from tunebench.errors import CassetteError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Body fields that carry the user's texts. Only their hashes are stored.
TEXT_FIELDS = ("prompt", "messages", "input")

# Parameters that a cassette may store: they steer the answer and quote no text of the data set.
# Any other field is part of the key and is not stored.
STORED_PARAMETERS = frozenset(
    {
        "add_special_tokens",
        "best_of",
        "dimensions",
        "echo",
        "encoding_format",
        "file",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "metadata",
        "method",
        "n",
        "presence_penalty",
        "purpose",
        "seed",
        "stop",
        "temperature",
        "top_logprobs",
        "top_p",
        "training_file",
        "validation_file",
    }
)

_DISPOSITION = re.compile(rb'\b(name|filename)="((?:[^"\\]|\\.)*)"')
# An API root ends with a version, as most do, or where an endpoint begins.
_VERSION = r"/v\d+(?:beta\d*)?(?=/)"
_ENDPOINT = r"(?=/(?:chat/completions|completions|embeddings|tokenize|files|fine_tuning)(?:[/?]|$))"
_API_ROOT = re.compile(rf"^https?://[^/]*(?:{_VERSION}|/.*?{_VERSION}|/.*?{_ENDPOINT})?/?")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A request as a cassette knows it.

    Attributes:
        endpoint: method and path below the API root, as ``POST completions``.
        digest: SHA-256 (hex) over endpoint and canonical body, without the prompts.
        fields: the body's fields, without the prompts.
        prompts: the prompts in the order of the request, a chat's messages as JSON; one empty text
            where it holds none. Kept in memory only.
    """

    endpoint: str
    digest: str
    fields: dict[str, Any] = field(repr=False)
    prompts: tuple[str, ...] = field(repr=False)

    @property
    def model(self) -> str:
        """The model asked, or an empty string where the body names none."""
        return str(self.fields.get("model", ""))

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that a cassette stores."""
        return {name: self.fields[name] for name in sorted(STORED_PARAMETERS & self.fields.keys())}

    @property
    def prompt_sha256(self) -> list[str]:
        """SHA-256 (hex) of each prompt, in the order of the request."""
        return [text_sha256(text) for text in self.prompts]

    def line(self, server: str = "", answered_by: str = "") -> RequestLine:
        """The fields that its rows have in common, as a cassette stores them."""
        fields = self.digest, self.endpoint, self.model, self.parameters
        return RequestLine(*fields, server, answered_by)


class Recalled(Fingerprint):
    """A request whose prompts are known by their SHA-256 (hex) alone."""

    __slots__ = ()

    @property
    def prompt_sha256(self) -> list[str]:
        """The prompts, as they are known."""
        return list(self.prompts)


# Cells that differ in their rule alone have the same prompts, and a request hashes its own again.
# No more, since what is kept here keeps the prompts in memory.
@lru_cache(maxsize=2048)
def text_sha256(text: str) -> str:
    """SHA-256 (hex) of a text in UTF-8; lone surrogates are kept apart from each other."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def prompt_text(prompt: Any) -> str:
    """A prompt as one text: a text as it is, a chat's messages or token ids as JSON."""
    if isinstance(prompt, str):
        return prompt
    return json.dumps(prompt, sort_keys=True, separators=(",", ":"))


def item_index(prompts: Mapping[str, Any]) -> dict[str, str]:
    """Item id by prompt SHA-256, from prompts (texts, or a chat's messages) by item id."""
    return {text_sha256(prompt_text(prompt)): item for item, prompt in prompts.items()}


@lru_cache(maxsize=256)
def endpoint_of(method: str, uri: str) -> str:
    """Method and path without host, port and API root.

    ``POST http://127.0.0.1:8017/v1/completions`` gives ``POST completions``.
    """
    return f"{method} {_API_ROOT.sub('', uri, count=1)}"


def fingerprint(method: str, uri: str, body: bytes) -> Fingerprint:
    """The fingerprint of a request.

    Raises:
        CassetteError: the body is neither empty, a JSON object nor a multipart form.
    """
    endpoint = endpoint_of(method, uri)
    fields = _parse(endpoint, body)
    prompts = tuple(_take_prompts(fields)) or ("",)
    return Fingerprint(endpoint, digest_of(endpoint, fields), fields, prompts)


def fingerprint_of(endpoint: str, fields: Mapping[str, Any]) -> Fingerprint:
    """The fingerprint of a request, from an endpoint as ``POST completions`` and its fields."""
    return fingerprint("POST", endpoint.removeprefix("POST "), json.dumps(fields).encode())


def digest_of(endpoint: str, fields: Mapping[str, Any]) -> str:
    """The digest of a request from the fields of its body without the prompts."""
    canonical = json.dumps([endpoint, fields], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _parse(endpoint: str, body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    if body.startswith(b"--"):
        return _form(endpoint, body)
    try:
        fields = json.loads(body, parse_float=_number)
    except (ValueError, RecursionError) as error:
        raise CassetteError(
            f"the body of {endpoint!r} is not JSON ({error}), so it cannot be recorded"
        ) from error
    if not isinstance(fields, dict):
        raise CassetteError(
            f"the body of {endpoint!r} must be a JSON object, or it cannot be recorded"
        )
    return fields


def _form(endpoint: str, body: bytes) -> dict[str, Any]:
    """The fields of a multipart form; a file is its name and the SHA-256 of its content."""
    boundary, _, _ = body.partition(b"\r\n")
    # The line break before a boundary belongs to it and not to the part that it ends.
    parts = (b"\r\n" + body).split(b"\r\n" + boundary)
    fields: dict[str, list[Any]] = {}
    for part in parts[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        found = {
            name.decode(): value.decode("utf-8", "surrogateescape")
            for name, value in _DISPOSITION.findall(head)
        }
        if "name" not in found:
            raise CassetteError(f"the form of {endpoint!r} has a part without a name")
        value: Any = content.decode("utf-8", "surrogateescape")
        if "filename" in found:
            sha256 = hashlib.sha256(content).hexdigest()
            value = {"filename": found["filename"], "sha256": sha256}
        fields.setdefault(found["name"], []).append(value)
    if len(parts) < 3 or parts[-1] != b"--\r\n":
        raise CassetteError(f"the form of {endpoint!r} is cut off, so it cannot be recorded")
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}


def _number(digits: str) -> float:
    """``1.0`` and ``1`` ask for the same answer."""
    number = float(digits)
    return int(number) if number.is_integer() else number


def _take_prompts(fields: dict[str, Any]) -> list[str]:
    """Take the prompts out of a body. A chat's messages, or token ids, are one prompt."""
    prompts: list[str] = []
    for name in TEXT_FIELDS:
        value = fields.pop(name, None)
        if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
            prompts.extend(value)
        elif value is not None:
            prompts.append(prompt_text(value))
    return prompts
