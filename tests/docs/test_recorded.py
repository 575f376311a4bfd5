"""What the pages show of the recorded experiments is what a replay gives."""

import re
import xml.etree.ElementTree as ET

import pytest

from .pages import DOCS, README, blocks, load, matches

recorded = load("recorded")


def check(made):
    for path, content in made.items():
        assert path.read_text(encoding="utf-8") == content, "write it again: docs/recorded.py"


def test_the_figure_and_the_output_of_the_first_example_are_current(imdb_replay):
    made = recorded.files("imdb", (imdb_replay / "printed.txt").read_text(), imdb_replay)
    assert {path.suffix for path in made} == {".txt", ".svg"}
    check(made)


@pytest.mark.parametrize("name", [name for name in recorded.EXPERIMENTS if name != "imdb"])
def test_the_output_of_the_other_examples_is_current(name, tmp_path):
    check(recorded.files(name, recorded.replay(name, tmp_path), tmp_path))


def test_every_experiment_is_recorded_and_shown():
    page = (DOCS / "worked-examples.md").read_text(encoding="utf-8")
    there = {path.parent.name for path in DOCS.parent.glob("benchmarks/*/experiment.toml")}
    assert there == set(recorded.EXPERIMENTS)
    assert there == set(re.findall(r"recorded/(\w+)\.txt", page))
    assert there == set(re.findall(r"^`benchmarks/(\w+)`", page, re.MULTILINE))
    shown = [block.text.strip() for block in blocks(DOCS / "worked-examples.md")]
    for name in there:
        assert f"pytest benchmarks/{name} {' '.join(recorded.COMMAND)}" in shown


@pytest.mark.parametrize("scheme", recorded.SCHEMES)
def test_the_figure_shows_the_accuracies_of_the_results(scheme, imdb_results):
    figure = ET.fromstring(recorded.figure(imdb_results, scheme))
    texts = ["".join(text.itertext()) for text in figure.iter("{http://www.w3.org/2000/svg}text")]
    options = imdb_results["answers"][0]["options"]
    drawn = {
        f"{one['model']}, fine-tuned on {one['train_size']:,} rows": one["accuracy"]
        for one in options
        if one["kind"] == "fine-tuned"
    }
    for model in {cell["model"] for cell in imdb_results["cells"]}:
        prompts = [
            cell
            for cell in imdb_results["cells"]
            if cell["model"] == model and not cell["train_size"]
        ]
        calibrated = {c["accuracy"] for c in prompts if c["decision_rule"] == "calibrated"}
        others = {c["accuracy"] for c in prompts if c["decision_rule"] != "calibrated"}
        drawn[f"{model}, best calibrated prompt"] = max(calibrated)
        drawn[f"{model}, best prompt"] = max(others)
    for name, accuracy in drawn.items():
        assert texts[texts.index(name) + 1] == f"{accuracy:.2f}"
    shown = [float(text) for text in texts if re.fullmatch(r"0\.\d\d", text)]
    assert shown == sorted(shown, reverse=True)
    assert len(shown) >= len(drawn)


def test_every_class_and_colour_of_the_figure_is_defined(imdb_results):
    light, dark = (recorded.figure(imdb_results, scheme) for scheme in recorded.SCHEMES)
    assert light != dark
    for figure in (light, dark):
        style = figure.partition("<style>")[2].partition("</style>")[0]
        for names in re.findall(r'class="([^"]+)"', figure):
            assert all(f".{name}" in style for name in names.split())
        for variable in re.findall(r"var\((--[\w-]+)\)", style):
            assert f"{variable}: #" in style


def test_every_figure_of_the_answer_is_in_the_results(imdb_results):
    page = (DOCS / "worked-examples.md").read_text(encoding="utf-8")
    section = page.partition("**Fine-tune")[2].partition("\nThe p-values of")[0]
    stated = set(re.findall(r"[+-]?\d+\.\d+(?:e-\d+)?", section))
    known = set()
    for row in [
        *imdb_results["cells"],
        *imdb_results["rivals"],
        *imdb_results["uplifts"],
        *imdb_results["answers"],
        *imdb_results["answers"][0]["options"],
    ]:
        for value in row.values():
            if isinstance(value, float):
                known |= {f"{value:{form}}" for form in (".2f", ".3f", "+.2f", "+.3f", ".2g")}
        if row.get("training_seconds"):
            known.add(f"{row['training_seconds'] / 60:.1f}")
    assert len(stated) > 15
    assert stated <= known


def test_the_readme_shows_the_end_of_a_replay():
    (shown,) = (block.text for block in blocks(README) if block.language == "text")
    assert "undecided" in shown or "ine-tune" in shown
    assert matches(shown, (DOCS / "recorded/tickets.txt").read_text(encoding="utf-8"))
