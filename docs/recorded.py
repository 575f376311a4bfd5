"""What the README and these pages show of the recorded experiments: output and figure.

``python docs/recorded.py`` replays every experiment of ``benchmarks/`` and writes the files again;
``tests/docs/test_recorded.py`` fails where they differ from what a replay gives.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).resolve().parent
EXPERIMENTS = ("imdb", "tickets", "sentences")
COMMAND = ("--rivals", "-v")

# The colours of `reports/page/page.css`.
SCHEMES = {
    "light": {"page": "#fcfcfa", "ink": "#1d1f21", "muted": "#575c61", "grid": "#d9d9d3",
              "fine-tuned": "#17558f", "prompt": "#a34a0b", "rival": "#17663f"},
    "dark": {"page": "#16181a", "ink": "#e7e7e3", "muted": "#a9aeb2", "grid": "#34383c",
             "fine-tuned": "#8fc1f2", "prompt": "#f2a968", "rival": "#7fd0a3"},
}  # fmt: skip
_MARKS = {"fine-tuned": "fine-tuned", "prompt": "prompt", "rival": "without a language model"}

_WIDTH, _ROW, _TOP, _LEFT, _RIGHT = 760, 25, 92, 250, 70
_LOWEST, _HIGHEST = 0.4, 1.0


@dataclass(frozen=True)
class Bar:
    """One line of the figure: an accuracy with its 95 % interval."""

    label: str
    kind: str
    accuracy: float
    low: float
    high: float


def replay(name: str, folder: Path) -> str:
    """Replay an experiment of `benchmarks/`, write its results to a folder, and give the output."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", f"benchmarks/{name}", *COMMAND, "-p", "no:cacheprovider",
         "--results", str(folder)],
        cwd=DOCS.parent,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return done.stdout


def shown(printed: str) -> str:
    """The part of the output that is the same on every machine: answer and tables."""
    ours = re.search(r"^=+ tunebench =+\n(.*?)^(?:results: |=)", printed, re.MULTILINE | re.DOTALL)
    if ours is None:
        sys.exit(f"this is not what a replay prints:\n{printed}")
    return ours[1]


def figure(document: dict[str, Any], scheme: str) -> str:
    """Draw accuracy with its interval by model and training size, as an SVG image."""
    colours = SCHEMES[scheme]
    groups = _groups(document)
    lines = sum(len(bars) + 1 for bars in groups.values())
    height = _TOP + lines * _ROW + 56
    majority = document["cells"][0]["majority_rate"]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" font-size="13" '
        'font-family="system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif">',
        f"<title>{escape(_title(document))}</title>",
        f'<rect width="{_WIDTH}" height="{height}" rx="8" fill="{colours["page"]}"/>',
        _text(24, 34, _title(document), colours["ink"], 'font-size="17" font-weight="650"'),
        *_legend(colours, majority),
        *_axis(colours, majority, _TOP + lines * _ROW),
    ]
    y = _TOP
    for group, bars in groups.items():
        parts.append(_text(24, y + 17, group, colours["ink"], 'font-weight="650"'))
        y += _ROW
        for bar in bars:
            parts += _bar(bar, y + 13, colours)
            y += _ROW
    return "\n".join([*parts, "</svg>"]) + "\n"


def _groups(document: dict[str, Any]) -> dict[str, list[Bar]]:
    """The best prompt and each training size of every model, then the rivals."""
    groups: dict[str, list[Bar]] = {}
    for model in dict.fromkeys(cell["model"] for cell in document["cells"]):
        cells = [cell for cell in document["cells"] if cell["model"] == model]
        prompts = [cell for cell in cells if not cell["train_size"]]
        best = max(prompts, key=lambda cell: cell["accuracy"])
        tuned = [cell for cell in cells if cell["train_size"] and cell["decision_rule"] == "text"]
        groups[model] = [
            _measured(f"best of {len(prompts)} prompts", "prompt", best),
            *(_measured(f"fine-tuned on {c['train_size']:,} rows", "fine-tuned", c) for c in tuned),
        ]
    for row in document["baselines"]:
        bar = _measured(f"{row['train_size']:,} rows", "rival", row)
        groups.setdefault(row["model"], []).append(bar)
    return groups


def _measured(label: str, kind: str, row: dict[str, Any]) -> Bar:
    return Bar(label, kind, row["accuracy"], row["ci_low"], row["ci_high"])


def _title(document: dict[str, Any]) -> str:
    texts = document["cells"][0]["n"]
    return f"Accuracy on {texts} film reviews, with 95 % intervals"


def _bar(bar: Bar, y: int, colours: dict[str, str]) -> Iterator[str]:
    colour = colours[bar.kind]
    filled = colours["page"] if bar.kind == "prompt" else colour
    yield _text(40, y + 4, bar.label, colours["ink"])
    yield (
        f'<path d="M{_x(bar.low)} {y}H{_x(bar.high)}" stroke="{colour}" stroke-width="2.5"/>'
        f'<circle cx="{_x(bar.accuracy)}" cy="{y}" r="5" fill="{filled}" stroke="{colour}" '
        'stroke-width="2"/>'
    )
    yield _text(_WIDTH - 24, y + 4, f"{bar.accuracy:.2f}", colours["ink"], 'text-anchor="end"')


def _legend(colours: dict[str, str], majority: float) -> Iterator[str]:
    x = 30
    for kind, name in _MARKS.items():
        filled = colours["page"] if kind == "prompt" else colours[kind]
        yield (
            f'<circle cx="{x}" cy="60" r="5" fill="{filled}" stroke="{colours[kind]}" '
            'stroke-width="2"/>'
        )
        yield _text(x + 12, 64, name, colours["muted"])
        x += 40 + 7 * len(name)
    yield (
        f'<path d="M{x - 5} 60h22" stroke="{colours["muted"]}" stroke-dasharray="4 3"/>'
        + _text(x + 24, 64, f"always the majority label ({majority:.2f})", colours["muted"])
    )


def _axis(colours: dict[str, str], majority: float, bottom: int) -> Iterator[str]:
    for tenth in range(round(_LOWEST * 10), round(_HIGHEST * 10) + 1):
        x = _x(tenth / 10)
        yield f'<path d="M{x} {_TOP}V{bottom}" stroke="{colours["grid"]}"/>'
        yield _text(x, bottom + 20, f"{tenth / 10:.1f}", colours["muted"], 'text-anchor="middle"')
    x = _x(majority)
    yield f'<path d="M{x} {_TOP}V{bottom}" stroke="{colours["muted"]}" stroke-dasharray="4 3"/>'
    middle = _x((_LOWEST + _HIGHEST) / 2)
    yield _text(middle, bottom + 42, "accuracy", colours["muted"], 'text-anchor="middle"')


def _x(accuracy: float) -> float:
    share = (accuracy - _LOWEST) / (_HIGHEST - _LOWEST)
    return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def _text(x: float, y: float, text: str, colour: str, more: str = "") -> str:
    return f'<text x="{x}" y="{y}" fill="{colour}" {more}>{escape(text)}</text>'


def files(name: str, printed: str, results: Path) -> dict[Path, str]:
    """The files that show an experiment, with their content."""
    made = {DOCS / "recorded" / f"{name}.txt": shown(printed)}
    if name == "imdb":
        document = json.loads((results / "results.json").read_text(encoding="utf-8"))
        for scheme in SCHEMES:
            made[DOCS / "images" / f"imdb-{scheme}.svg"] = figure(document, scheme)
    return made


if __name__ == "__main__":
    for experiment in EXPERIMENTS:
        with tempfile.TemporaryDirectory() as folder:
            output = replay(experiment, Path(folder))
            for path, content in files(experiment, output, Path(folder)).items():
                path.write_text(content, encoding="utf-8")
                print(path.relative_to(DOCS.parent))
