"""The pages of the documentation, and the blocks of code in them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)

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
        name = path.relative_to(DOCS).as_posix()
        found.append(
            Block(name, match["language"], caption[1] if caption else "", text.lstrip("\n"))
        )
    return found


def all_blocks(*languages: str) -> list[Block]:
    return [block for path in PAGES for block in blocks(path) if block.language in languages]
