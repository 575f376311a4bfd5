"""The README shows what there is."""

import re

from tunebench.presets import PRESETS

from ..docs.pages import DOCS, README, ROOT, blocks

TEXT = README.read_text(encoding="utf-8")


def python_of(path):
    return [block.text for block in blocks(path) if block.language == "python"]


def test_the_test_shown_is_the_one_that_init_writes():
    (shown,) = (text for text in python_of(README) if "def test_gates" in text)
    template = ROOT / "harness/tunebench/cli/templates/test.py.jinja"
    assert template.read_text(encoding="utf-8").startswith(shown.rstrip())


def test_the_gates_shown_are_those_of_the_how_to_page():
    (shown,) = (text for text in python_of(README) if "def test_gates" in text)
    (page,) = python_of(DOCS / "how-to/gate-a-pull-request.md")
    assert shown in page


def test_the_set_up_commands_are_on_the_first_screen():
    first = "\n".join(TEXT.splitlines()[:30])
    assert "pip install -e '.[test,local]'" in first
    assert re.search(r"^pytest -n logical --dist loadfile", first, re.MULTILINE)


def test_every_preset_is_in_the_table_with_what_it_can_do():
    rows = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]]
        for line in TEXT.splitlines()
        if line.startswith("| ")
    }
    for name, preset in PRESETS.items():
        logprobs = "yes" if "logprobs" in preset.supports else "no"
        trains = "yes" if preset.fine_tuning == "openai" else "no"
        assert rows[f"`{name}`"] == [preset.endpoint, logprobs, trains]


def test_every_link_leads_to_a_file_and_a_heading():
    links = re.findall(r"\]\(((?:docs/|[A-Z])[^)\s]*)\)", TEXT)
    assert len(links) > 15
    for link in links:
        path, _, heading = link.partition("#")
        assert (ROOT / path).is_file(), link
        if heading:
            text = (ROOT / path).read_text(encoding="utf-8")
            titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", t).lower().replace(" ", "-") for t in titles}


def test_the_pictures_are_there():
    pictures = re.findall(r'(?:src|srcset)="([^"]+)"', TEXT)
    assert len(pictures) == 2
    for path in pictures:
        assert (ROOT / path).is_file()
