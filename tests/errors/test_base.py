import copy
import pickle

import pytest

from tunebench import errors
from tunebench.errors import NetworkBlockedError, TunebenchError, keep_secret

CLASSES = [
    getattr(errors, name) for name in errors.__all__ if isinstance(getattr(errors, name), type)
]


@pytest.mark.parametrize(
    ("problem", "more", "sentence"),
    [
        ("it is empty", {}, "it is empty."),
        ("it is empty.", {}, "it is empty."),
        ("is it empty?", {}, "is it empty?"),
        ("it is empty", {"where": "a.csv, line 3"}, "a.csv, line 3: it is empty."),
        ("it is empty", {"hint": "fill it"}, "it is empty; fill it."),
        ("no 'x'", {"where": "a", "hint": "did you mean 'y'?"}, "a: no 'x'; did you mean 'y'?"),
        (
            "two\nlines",
            {"where": "::error::", "hint": "\x1b[1m"},
            ": :error::: two lines; \\x1b[1m.",
        ),
    ],
)
def test_the_sentence_has_the_place_the_problem_and_the_hint(problem, more, sentence) -> None:
    assert str(TunebenchError(problem, **more)) == sentence


def test_a_path_is_a_place(tmp_path) -> None:
    assert TunebenchError("gone", where=tmp_path).where == str(tmp_path)


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))]
)
def test_an_error_survives_a_copy_and_the_way_from_a_worker(kind, again) -> None:
    error = kind("no answer", where="a.jsonl, line 2", hint="record it")
    other = again(error)
    assert type(other) is kind
    assert (other.problem, other.where, other.hint) == ("no answer", "a.jsonl, line 2", "record it")
    assert str(other) == str(error) == "a.jsonl, line 2: no answer; record it."


def test_every_class_is_a_tunebench_error_and_a_blocked_connection_one_of_pythons() -> None:
    assert len(CLASSES) == 13
    assert all(issubclass(kind, TunebenchError) for kind in CLASSES)
    assert issubclass(NetworkBlockedError, ConnectionError)


def test_no_part_of_a_sentence_shows_a_key(monkeypatch) -> None:
    monkeypatch.setattr("tunebench.errors.text._secrets", set())
    keep_secret("sk-made-up-key-0123456789")
    key = "sk-made-up-key-0123456789"
    assert str(TunebenchError(key, where=key, hint=key)) == "***: ***; ***."
