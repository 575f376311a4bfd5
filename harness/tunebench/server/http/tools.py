"""Functions that a model may call, and which of them it must."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidatorFunctionWrapHandler, WrapValidator

from tunebench.server.http.messages import Text
from tunebench.server.http.schemas import Name, Schema, Strict
from tunebench.server.http_errors import ApiError

MAX_TOOLS = 128


class FunctionSpec(Strict):
    """A function: its name, and the schema of its arguments."""

    name: Name
    description: Text | None = None
    parameters: Schema | None = None
    strict: bool | None = None


class ChatTool(Strict):
    """One of ``tools`` of a chat."""

    type: Literal["function"]
    function: FunctionSpec


class _Typed(Strict):
    type: Literal["function"]


class ResponseTool(FunctionSpec, _Typed):  # the type is checked first
    """One of ``tools`` of a response."""


class _ChosenFunction(Strict):
    name: str


class ChatToolChoice(Strict):
    """``tool_choice`` of a chat, if it names a function."""

    type: Literal["function"]
    function: _ChosenFunction


class ResponseToolChoice(Strict):
    """``tool_choice`` of a response, if it names a function."""

    type: Literal["function"]
    name: str


_MODES = ("none", "auto", "required")


def _mode_or_name(choice: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """A choice that is one of the modes stays a string."""
    if not isinstance(choice, str):
        return read(choice)
    if choice not in _MODES:
        raise ValueError('must be "none", "auto", "required" or an object that names a function')
    return choice


def mode_or(form: type) -> WrapValidator:
    """Accept one of the modes beside what names a function."""
    return WrapValidator(_mode_or_name, Literal["none", "auto", "required"] | form)


@dataclass(frozen=True)
class Function:
    """A function that may be called.

    Attributes:
        schema: of its arguments, which are an object.
        place: where the schema is in the request.
    """

    name: str
    description: str | None
    schema: dict[str, Any]
    place: str

    def described(self) -> dict[str, Any]:
        """The function as chat templates take it."""
        about = {} if self.description is None else {"description": self.description}
        return {
            "type": "function",
            "function": {"name": self.name, **about, "parameters": self.schema},
        }


@dataclass(frozen=True)
class Calling:
    """The functions of a request, and how they may be called.

    Attributes:
        functions: all of them; the prompt describes them.
        callable_: those that may be called.
        required: whether the answer must be a call.
        parallel: whether it may hold more than one.
    """

    functions: tuple[Function, ...]
    callable_: tuple[Function, ...]
    required: bool
    parallel: bool


def chat_calling(
    tools: Sequence[ChatTool], choice: str | ChatToolChoice | None, parallel: bool
) -> Calling | None:
    """What the tools of a chat allow; None for no call. 400 for tools that do not fit together."""
    specs = [(tool.function, f"tools[{i}].function") for i, tool in enumerate(tools)]
    named = choice.function.name if isinstance(choice, ChatToolChoice) else None
    mode = "required" if isinstance(choice, ChatToolChoice) else choice
    return _calling(specs, mode, named, "tool_choice.function.name", parallel)


def response_calling(
    tools: Sequence[ResponseTool], choice: str | ResponseToolChoice | None, parallel: bool
) -> Calling | None:
    """What the tools of a response allow; None for no call. 400 as in a chat."""
    specs = [(tool, f"tools[{i}]") for i, tool in enumerate(tools)]
    named = choice.name if isinstance(choice, ResponseToolChoice) else None
    mode = "required" if isinstance(choice, ResponseToolChoice) else choice
    return _calling(specs, mode, named, "tool_choice.name", parallel)


def _calling(
    specs: Sequence[tuple[FunctionSpec, str]],
    mode: str | None,
    named: str | None,
    choice_place: str,
    parallel: bool,
) -> Calling | None:
    if len(specs) > MAX_TOOLS:
        raise _refused("tools", f"holds {len(specs)} tools, more than {MAX_TOOLS}")
    functions: dict[str, Function] = {}
    for spec, place in specs:
        if spec.name in functions:
            raise _refused(f"{place}.name", f"is {spec.name!r}, as that of another tool")
        functions[spec.name] = _function(spec, place)
    if mode == "required" and not functions:
        raise _refused("tool_choice", "wants a call, but tools is empty; give some")
    if named is not None and named not in functions:
        known = ", ".join(functions)
        raise _refused(
            choice_place, f"is {named[:64]!r}, which is not one of the tools: {known:.200}"
        )
    if mode == "none" or not functions:
        return None
    every = tuple(functions.values())
    return Calling(
        functions=every,
        callable_=every if named is None else (functions[named],),
        required=mode == "required",
        parallel=parallel and named is None,
    )


def _function(spec: FunctionSpec, place: str) -> Function:
    schema = {"type": "object", **(spec.parameters or {"properties": {}})}
    if spec.parameters is None:
        schema["additionalProperties"] = False
    if schema["type"] != "object":
        raise _refused(f"{place}.parameters.type", 'must be "object"')
    return Function(spec.name, spec.description, schema, f"{place}.parameters")


def _refused(param: str, problem: str) -> ApiError:
    return ApiError(400, f"The parameter {param} {problem}.", param=param)
