"""Grammars of answers: JSON that follows a schema, calls of functions, free text.

JSON is written on one line with one space after a comma or colon: a small model that may write any
space goes on writing spaces.
"""

import json
import re
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from tunebench.server.http.tool_calls import CALL_BEGIN, CALL_END, call_head
from tunebench.server.http.tools import Calling, Function
from tunebench.server.http_errors import ApiError
from tunebench.server.inference.constraints import Grammar, GrammarError
from tunebench.server.inference.language_model import LanguageModel

_JSON_STYLE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
_SECONDS = 5
_compiling = threading.Lock()
_PLACE = re.compile(r"^at \d+\(\d+\): (failed to compile JSON schema: )?")


def answer_grammar(
    model: LanguageModel,
    schema: dict[str, Any] | None,
    schema_place: str,
    calling: Calling | None,
) -> Grammar | None:
    """The compiled grammar of an answer; None if any text is one.

    Args:
        model: compiles for its tokens.
        schema: of an answer that is JSON.
        schema_place: where in the request it is.
        calling: the functions that may be called.
    """
    if schema is None and calling is None:
        return None
    try:
        return _compiled(model, _lark(schema, calling), "tools" if calling else schema_place)
    except GrammarError as whole:
        # The library tells no place: each schema is tried alone.
        places = [(schema, schema_place)] if schema is not None else []
        places += [(one.schema, one.place) for one in calling.callable_] if calling else []
        for one, place in places:
            try:
                _compiled(model, _lark(one, None), place)
            except GrammarError as error:
                raise _refused(place, error) from error
        raise _refused("tools" if calling else schema_place, whole) from whole


def _compiled(model: LanguageModel, lark: str, place: str) -> Grammar:
    """The grammar, compiled in a thread of its own, one at a time: nothing can stop it.

    The limits of llguidance leave some of its work out, such as the intersection of patterns.
    """
    compiler = model.grammars  # is made at first, which may take longer
    if not _compiling.acquire(timeout=_SECONDS):
        message = "The server still compiles the schema of another request; retry in 5 seconds."
        raise ApiError(503, message, headers={"retry-after": "5"})
    future: Future[Grammar] = Future()

    def run() -> None:
        try:
            future.set_result(compiler.compile(lark))
        except Exception as error:
            future.set_exception(error)
        finally:
            _compiling.release()

    threading.Thread(target=run, name="grammar", daemon=True).start()
    try:
        return future.result(_SECONDS)
    except TimeoutError:
        raise ApiError(
            400,
            f"The parameter {place} takes longer than {_SECONDS} seconds to compile; simplify it.",
            param=place,
            code="invalid_schema",
        ) from None


def _lark(schema: dict[str, Any] | None, calling: Calling | None) -> str:
    free = "TEXT" if schema is None else _json(schema)
    rules = [r"TEXT: /(.|\n)*/", f"free: {free}"]
    if calling is None:
        return "\n".join(["start: free", *rules])
    begin, end = json.dumps(CALL_BEGIN), json.dumps(CALL_END)
    rules += _calls(calling.callable_, end)
    more = f'("\\n" {begin} call)*' if calling.parallel else ""
    if calling.required:
        return "\n".join([f"start: {begin} call {more}", *rules])
    # A lazy lexeme ends with the mark of a call: a text that holds the mark is one.
    opened = f"opened[lazy]: TEXT {begin}" if schema is None else f"opened: {begin}"
    return "\n".join([f"start: free | opened call {more}", opened, *rules])


def _calls(functions: Sequence[Function], end: str) -> list[str]:
    names = [f"call_{place}" for place in range(len(functions))]
    rules = [f"call: {' | '.join(names)}"]
    for name, function in zip(names, functions, strict=True):
        head = json.dumps(call_head(function.name))
        rules.append(f"{name}: {head} {name}_arguments {end}")
        rules.append(f"{name}_arguments: {_json(function.schema)}")
    return rules


def _json(schema: dict[str, Any]) -> str:
    return "%json " + json.dumps({**schema, "x-guidance": _JSON_STYLE})


def _refused(place: str, error: GrammarError) -> ApiError:
    reason = _PLACE.sub("", str(error)).strip().rstrip(".:")
    message = f"The parameter {place} cannot be followed: {reason:.200}; change the schema."
    return ApiError(400, message, param=place, code="invalid_schema")
