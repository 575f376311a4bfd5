"""The parts of pages that are made from the code are there for readers of the repository, too."""

import pytest

from .pages import DOCS


@pytest.fixture
def generated(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    import generated

    return generated


def test_every_part_of_the_committed_pages_is_current(generated):
    pages = generated.pages()
    assert len(pages) > 5
    for path, text in pages.items():
        assert text.count("<!-- generated: ") == text.count("<!-- end -->"), path
        assert generated.filled(text) == text, f"{path}: write it again: docs/generated.py"


def test_each_part_is_on_a_page(generated):
    text = "".join(generated.pages().values())
    for name in generated.PARTS:
        assert f"<!-- generated: {name} -->" in text


def test_a_part_takes_the_place_of_what_was_there_and_no_more(generated):
    page = "# Errors\n\n<!-- generated: errors -->\n{}<!-- end -->\n\nThe end.\n"
    (first, second) = (generated.filled(page.format(old)) for old in ("", "\nwritten by hand\n"))
    assert first == second
    assert "`TunebenchError`\n: " in first
    assert first.endswith("\n\n<!-- end -->\n\nThe end.\n")


def test_a_part_that_there_is_not_is_an_error(generated):
    with pytest.raises(KeyError, match="nothing"):
        generated.filled("<!-- generated: nothing -->\n<!-- end -->\n")


def test_definitions_and_blocks_of_a_docstring_become_those_of_markdown(generated):
    lines = generated.docstring("tunebench.formatting.reading").splitlines()
    for name in ("exact", "casefolded", "json", "mentioned"):
        at = lines.index(f"`{name}`")
        assert (lines[at - 1], lines[at + 1][:2]) == ("", ": ")
    assert "::" not in generated.docstring("tunebench.formatting.prompts")
