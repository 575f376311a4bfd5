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
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebench.reports.page.charts import Chart, Dot, Key, dot_chart, dot_keys

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).resolve().parent
EXPERIMENTS = ("imdb", "tickets", "sentences")
COMMAND = ("-v",)

SCHEMES = ("light", "dark")

_CSS = DOCS.parent / "harness/tunebench/reports/page/page.css"
_OF_CHARTS = (".drawing ", ".plot ", ".line", ".mark", ".dash-", ".series-", ".constant")
_NOT_DRAWN = "majority class"  # it is the dashed line
_MARGIN = 16
_NAMES, _PLOT, _VALUES = 296, 380, 48  # pixels, from left to right


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
    """Draw accuracy with its interval, an option a row as on the page, as an SVG image."""
    cells = document["cells"]
    rate = cells[0]["majority_rate"]
    dots = sorted(_dots(document), key=lambda dot: -dot.value)
    limits = (0.4, 1.0)
    title = "accuracy, 95 % interval"
    chart = dot_chart(dots, title=title, form=".2f", limits=limits, line=rate)
    name = f"Accuracy on {cells[0]['n']} film reviews"
    width, top = _NAMES + _PLOT + _VALUES, 26.0
    svg = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "class": "drawing",
            "viewBox": f"{-_MARGIN} {-_MARGIN} {width + 2 * _MARGIN} "
            f"{chart.height + top + 2 * _MARGIN:g}",
            "width": f"{width + 2 * _MARGIN}",
            "height": f"{chart.height + top + 2 * _MARGIN:g}",
        },
    )
    ET.SubElement(svg, "style").text = _style(scheme)
    drawn = ET.fromstring(str(chart.svg("figure", name, "By model and training size.")))
    drawn.attrib |= {"x": f"{_NAMES}", "y": f"{top:g}", "width": f"{_PLOT}"}
    svg.append(drawn)
    at = float(_NAMES)
    for key in [*dot_keys(dots), Key("line", "reference", "most frequent label")]:
        mark = ET.SubElement(svg, "svg", {"x": f"{at:g}", "y": "0"})
        mark.append(ET.fromstring(str(Chart.of_key(key))))
        ET.SubElement(svg, "text", {"x": f"{at + 24:g}", "y": "11.5"}).text = key.name
        at += 44 + 7 * len(key.name)
    return ET.tostring(svg, encoding="unicode") + "\n"


def _dots(document: dict[str, Any]) -> Iterator[Dot]:
    """The best prompt and each training size of every model, and the rivals."""
    for model in dict.fromkeys(cell["model"] for cell in document["cells"]):
        cells = [cell for cell in document["cells"] if cell["model"] == model]
        prompts = [cell for cell in cells if not cell["train_size"]]
        best = max(prompts, key=lambda cell: cell["accuracy"])
        yield _dot(f"{model}, best of {len(prompts)} prompts", "prompt", best)
        for cell in cells:
            if cell["train_size"] and cell["decision_rule"] == "text":
                label = f"{model}, fine-tuned on {cell['train_size']:,} rows"
                yield _dot(label, "fine-tuned", cell)
    for row in document["rivals"]:
        if row["model"] != _NOT_DRAWN:
            yield _dot(f"{row['model']}, {row['train_size']:,} rows", "rival", row)


def _dot(label: str, kind: str, row: dict[str, Any]) -> Dot:
    return Dot(label, kind, row["accuracy"], row["ci_low"], row["ci_high"])


def _style(scheme: str) -> str:
    """The page's rules for charts, in the colours of one scheme."""
    css = _CSS.read_text(encoding="utf-8")
    variables = re.findall(r":root \{\n(.*?)\}", css, re.DOTALL)[SCHEMES.index(scheme)]
    colours = " ".join(re.findall(r"--[\w-]+: #\w+;", variables))
    rules = [line for line in css.splitlines() if line.startswith(_OF_CHARTS)]
    rules += [line.strip() for line in css.splitlines() if line.startswith("  .label")]
    font = "svg { font-family: system-ui, sans-serif; background: var(--page); }"
    return "\n".join([f":root {{ {colours} }}", font, *rules])


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
