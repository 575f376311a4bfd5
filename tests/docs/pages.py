"""The pages that users read, and the blocks of code in them."""

import importlib.util
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = [
    README,
    ROOT / "CONTRIBUTING.md",
    *sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts),
]

# MyST's directive or a plain fence, its options, and what is inside; any indent, as in a list.
_BLOCK = re.compile(
    r"^(?P<indent> *)```(?:\{code-block\} )?(?P<language>\w+)\n"
    r"(?P<options>(?: *:\w+:[^\n]*\n)*)(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    page: str
    language: str
    caption: str
    text: str


def blocks(path: Path) -> list[Block]:
    """The blocks of a page, in their order, without the indent."""
    found = []
    for match in _BLOCK.finditer(path.read_text(encoding="utf-8")):
        caption = re.search(r":caption: (.*)", match["options"])
        text = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
        name = path.relative_to(ROOT).as_posix()
        found.append(
            Block(name, match["language"], caption[1] if caption else "", text.lstrip("\n"))
        )
    return found


def all_blocks(*languages: str) -> list[Block]:
    return [block for path in PAGES for block in blocks(path) if block.language in languages]


def matches(shown: str, printed: str) -> bool:
    """Whether what was printed is what a page shows.

    ``...`` stands for anything within a line, and a line of its own for any lines.
    """
    pattern = "".join(
        r"(?:.*\n)*?"
        if line == "..."
        else re.escape(line.rstrip()).replace(r"\.\.\.", ".*") + r"[ \t]*\n"
        for line in shown.splitlines()
    )
    return re.fullmatch(pattern, printed.strip("\n") + "\n") is not None


def load(name: str) -> ModuleType:
    """A module of `docs/`, which is not a package."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
