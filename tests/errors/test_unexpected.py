import pytest

from tunebench.errors import CellError, describe_error


def raised(error: Exception) -> Exception:
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


def test_an_error_of_ours_speaks_for_itself() -> None:
    error = CellError("there is no answer", where="pets/m-0shot", hint="record it")
    assert describe_error("it was not judged", error) == str(error)


def test_the_operating_systems_reason_is_enough() -> None:
    error = raised(PermissionError(13, "Permission denied", "/x"))
    assert describe_error("a.json was not written", error) == (
        "a.json was not written (Permission denied)."
    )


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ValueError("first line\nsecond line"), "ValueError: first line"),
        (KeyError("name"), "KeyError: 'name'"),
        (RuntimeError(), "RuntimeError"),
        (OSError("without a number"), "OSError: without a number"),
    ],
)
def test_anything_else_is_a_bug_with_its_place(error, cause) -> None:
    sentence = describe_error("a.json was not written", raised(error))
    assert sentence.startswith(f"a.json was not written ({cause}, test_unexpected.py, line ")
    assert sentence.endswith("): this is a bug in tunebench; please report it.")
