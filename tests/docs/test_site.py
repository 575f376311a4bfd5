"""The site builds without a warning, is complete, and loads nothing from other machines."""

import html
import re
import subprocess
import sys

import pytest

import tunebench
from tunebench.experiment.schema import ExperimentFile

from .pages import DOCS, ROOT

for needed in ("sphinx", "furo", "myst_parser"):
    pytest.importorskip(needed, reason="the extra docs is not installed")


def build(source, target):
    return subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", str(source), str(target)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = build(DOCS, folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def generated(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    import generated

    return generated


@pytest.fixture
def schema_parts(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    import schema_parts

    return schema_parts


def text_of(page):
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))


def test_every_key_of_the_experiment_file_is_documented(site, schema_parts):
    page = text_of(site / "reference/experiment-file.html")
    found = dict(schema_parts.tables(ExperimentFile))
    assert {"[task]", "[provider.NAME]", "[[model]]", "[[model]] prices = {…}"} <= set(found)
    for written, model in found.items():
        described = schema_parts.meanings(model)
        for name in model.model_fields:
            assert described.get(name), f"{written} {name} is not among the Attributes"
            assert described[name].replace("`", "") in " ".join(page.split()), f"{written} {name}"


def test_every_command_is_documented_as_it_prints(site, generated):
    page = text_of(site / "reference/commands.html")
    names = generated.commands()
    assert {"serve", "init", "record", "completion", "cassettes", "cassettes verify"} <= set(names)
    for name in names:
        assert f"usage: tunebench {name}" in page.lower()


def test_every_option_of_the_plugin_is_documented(site):
    page = text_of(site / "reference/pytest.html")
    for option in ("--record", "--results", "--rivals", "--budget", "--strict-verdicts"):
        assert option in page


def test_every_fixture_error_and_public_name_is_documented(site, generated):
    from tunebench import statistics

    fixtures = text_of(site / "reference/pytest.html")
    for name in ("evaluate", "compare", "gate"):
        assert name in fixtures
    errors = " ".join(text_of(site / "reference/errors.html").split())
    assert len(generated.errors()) > 10
    for one in generated.errors():
        assert one.__name__ in errors
        assert one.__doc__.split("\n")[0] in errors
    public = text_of(site / "reference/python.html")
    for name in tunebench.__all__:
        assert name in public
    functions = text_of(site / "reference/statistics.html")
    for name in statistics.__all__:
        assert name in functions


def test_no_page_loads_anything_from_another_machine(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=\"([^\"]+)\"",
            page.read_text(encoding="utf-8"),
        )
        assert [url for url in loaded if "//" in url] == [], page
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//", text), sheet


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("[gone](how-to/no-such-page.md)", "no-such-page"),
        ("[gone](tutorial.md#no-such-heading)", "no-such-heading"),
    ],
)
def test_a_broken_link_ends_the_build(tmp_path, line, complaint):
    source = tmp_path / "docs"
    source.mkdir()
    (source / "conf.py").symlink_to(DOCS / "conf.py")
    (source / "tutorial.md").write_text("# Tutorial\n")
    (source / "index.md").write_text(f"# Home\n\n{line}\n\n```{{toctree}}\ntutorial\n```\n")
    done = build(source, tmp_path / "site")
    assert done.returncode != 0
    assert complaint in done.stderr
