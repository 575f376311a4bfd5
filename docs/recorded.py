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
EXPERIMENTS = ("imdb", "imdb_article", "tickets", "sentences")
_WITHOUT_DATA = ("imdb_article",)  # also where the data set is on the machine
COMMAND = ("-v",)

SCHEMES = ("light", "dark")

_CSS = DOCS.parent / "harness/tunebench/reports/page/page.css"
_OF_CHARTS = (".drawing ", ".plot ", ".line", ".mark", ".dash-", ".series-", ".constant")
_NOT_DRAWN = "majority class"  # it is the dashed line
_MARGIN = 16
_NAMES, _PLOT, _VALUES = 296, 380, 48  # pixels, from left to right


def replay(name: str, folder: Path) -> str:
    """Replay an experiment of `benchmarks/`, write its results to a folder, and give the output."""
    data = {"TFDS_DATA_DIR": str(folder / "none")} if name in _WITHOUT_DATA else {}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", f"benchmarks/{name}", *COMMAND, "-p", "no:cacheprovider",
         "--results", str(folder)],
        cwd=DOCS.parent,
        env={**os.environ, "COLUMNS": "100", **data},
        capture_output=True,
        text=True,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return done.stdout


def shown(printed: str) -> str:
    """The part of the output that is the same on every machine: answer and tables."""
    ours = re.search(r"^=+ tunebench =+\n(.*?)^(?:results:|=)", printed, re.MULTILINE | re.DOTALL)
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
    at = 0.0
    for key in [*dot_keys(dots), Key("line", "reference", "most frequent label")]:
        mark = ET.SubElement(svg, "svg", {"x": f"{at:g}", "y": "0"})
        mark.append(ET.fromstring(str(Chart.of_key(key))))
        ET.SubElement(svg, "text", {"x": f"{at + 24:g}", "y": "11.5"}).text = key.name
        at += 44 + 7 * len(key.name)
    return ET.tostring(svg, encoding="unicode") + "\n"


def _dots(document: dict[str, Any]) -> Iterator[Dot]:
    """Of every model the best prompts, with and without calibration, and each training size.

    Of every rival the training size that serves it best.
    """
    (answer,) = document["answers"]
    options = answer["options"]  # the most accurate first
    for model in dict.fromkeys(one["model"] for one in options if one["kind"] == "fine-tuned"):
        prompts = [one for one in options if (one["kind"], one["model"]) == ("prompt", model)]
        for name, calibrated in (("best prompt", False), ("best calibrated prompt", True)):
            read = [one for one in prompts if (one["decision_rule"] == "calibrated") == calibrated]
            yield _dot(f"{model}, {name}", read[0])
        for one in options:
            if (one["kind"], one["model"]) == ("fine-tuned", model):
                yield _dot(f"{model}, fine-tuned on {one['train_size']:,} rows", one)
    rivals = [one for one in options if one["kind"] == "rival" and one["model"] != _NOT_DRAWN]
    for name in dict.fromkeys(one["model"] for one in rivals):
        best = next(one for one in rivals if one["model"] == name)
        yield _dot(f"{name}, {best['train_size']:,} rows", best)


def _dot(label: str, option: dict[str, Any]) -> Dot:
    runs = option["runs"] if len(option["runs"]) > 1 else ()
    ends = option["ci_low"], option["ci_high"]
    return Dot(label, option["kind"], option["accuracy"], *ends, runs)


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
