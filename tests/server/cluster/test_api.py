"""The tests of the local server's API, with a cluster behind it."""

import inspect

import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")
pytest.importorskip("ray", reason="needs the ray extra: pip install -e '.[local,ray]'")

from .. import (
    test_bad_requests,
    test_completions,
    test_constrained,
    test_responses,
    test_streaming,
    test_tools,
)

_OTHER_SERVERS = {"guarded", "broken", "alone", "deterministic", "smollm2"}


def _is_shared(test):
    """Whether a test asks the server over HTTP only, and not one of other options."""
    inside = ("served.registry", "served.worker", "prompt_of(", "monkeypatch")
    source = inspect.getsource(test)
    return not (_OTHER_SERVERS & set(inspect.signature(test).parameters)) and not any(
        word in source for word in inside
    )


for module in (
    test_completions,
    test_streaming,
    test_responses,
    test_bad_requests,
    test_tools,
    test_constrained,
):
    globals().update(
        (f"{name}_{module.__name__.rpartition('.')[2]}", test)
        for name, test in vars(module).items()
        if name.startswith("test_") and inspect.isfunction(test) and _is_shared(test)
    )
