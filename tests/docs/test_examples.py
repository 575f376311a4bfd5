"""What the pages show can be read, run and found."""

import re
import subprocess
import sys
import tomllib
from functools import cache
from itertools import takewhile

import pytest

from tunebench import Experiment

from .pages import DOCS, PAGES, ROOT, all_blocks

# What an example leaves out, by the names of its tables. Ids that examples name are cells of it.
WHOLE = {
    "task": """
[task]
name = "imdb"
dataset = "imdb_reviews"
labels = ["Negative", "Positive"]
instruction = "Classify following sentence as Positive or Negative"
test_size = 100
""",
    "provider": """
[provider.local]
base_url = "http://127.0.0.1:8017/v1"
""",
    "model": """
[[model]]
name = "smollm2-135m"
provider = "local"
""",
    "matrix": """
[matrix]
shots = [0, 1, 4]
train_sizes = [300, 500, 2000]
decision_rules = ["text", "label_logprobs"]
""",
}


def shown_experiments():
    found = [
        block
        for block in all_blocks("toml")
        # `test_extend.py` reads what needs the extensions of its page.
        if not block.text.startswith("[tool.") and block.page != "docs/how-to/extend.md"
    ]
    return [pytest.param(block.text, id=f"{block.page}-{i}") for i, block in enumerate(found)]


@pytest.mark.parametrize("shown", shown_experiments())
def test_experiments_and_parts_of_them_can_be_read(tmp_path, shown):
    given = tomllib.loads(shown)
    left_out = "".join(text for table, text in WHOLE.items() if table not in given)
    path = tmp_path / "experiment.toml"
    path.write_text(left_out + shown, encoding="utf-8")
    assert Experiment.read(path).cells


@pytest.mark.parametrize("block", all_blocks("python"), ids=lambda block: block.page)
def test_python_compiles_and_imports_what_there_is(block):
    compile(block.text, block.page, "exec")
    for line in re.findall(r"^(?:from|import) tunebench.*", block.text, re.MULTILINE):
        exec(line, {})


def shown_commands():
    """Every command line of tunebench and pytest that a reader may type, tutorials aside."""
    found = set()
    for block in all_blocks("bash", "console", "yaml"):
        if block.page == "docs/tutorial.md":  # its commands are run
            continue
        for line in block.text.replace("\\\n", " ").splitlines():
            found |= set(re.findall(r"\b(?:pytest|tunebench [a-z-]+)(?= |$).*", line))
    return sorted(found)


@cache
def help_of(*command):
    asked = [sys.executable, *command, "--help"]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("line", shown_commands())
def test_options_shown_are_known(line):
    command, *arguments = line.split()
    if command == "tunebench":
        start = "import sys; from tunebench.cli import main; sys.exit(main())"
        # `cassettes` has commands of its own; another's first argument is not looked at.
        known = help_of("-c", start, *takewhile(lambda word: word[0] not in "-#", arguments[:2]))
    else:
        known = help_of("-m", "pytest", "-p", "tunebench.plugin", "-p", "xdist")
    for option in re.findall(r"(?<= )--?[a-z][a-z-]*", line):
        assert re.search(rf"(?<![\w-]){option}(?![\w-])", known), option


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_names_in_the_text_are_of_things_that_exist(page):
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"`((?:benchmarks|harness|docs|tests)/[\w./]+)`", text):
        if "NAME" not in path:
            assert (ROOT / path).exists(), path
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for named in re.findall(r"tunebench\[([\w,]+)\]", text):
        assert set(named.split(",")) <= set(extras["optional-dependencies"])
    for name in re.findall(r"extra `(\w+)`", text):
        assert name in extras["optional-dependencies"]


def test_pages_name_no_file_of_one_machine():
    for page in PAGES:
        assert not re.search(r"/(?:home|root|tmp|work)/\w", page.read_text(encoding="utf-8")), page


def test_there_are_examples_to_look_at():
    assert len(shown_experiments()) > 5
    assert len(shown_commands()) > 5
    assert DOCS / "index.md" in PAGES
