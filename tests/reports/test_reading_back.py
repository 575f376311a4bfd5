"""results.json and baseline.json read back, with any value in any place of a valid file.

Either nothing changes, or a sentence names the file and the field.
"""

import copy
import json
import re
import shutil

import pytest
import sklearn.feature_extraction.text
import sklearn.linear_model  # noqa: F401 - an inner run forgets it, and cannot import it twice
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tunebench.cli import main

from ..pets_project import edit

TEST = """
import pytest
from tunebench import Experiment

experiment = Experiment.beside(__file__)


@pytest.mark.parametrize("cell", experiment.cells, ids=str)
def test_gates(cell, gate):
    gate(cell)


def test_uplifts(compare):
    first, *others = experiment.cells
    for other in others:
        compare(other, first)
"""
LIMITS = """
[[threshold]]
min_accuracy = 0.3
max_cost = 5

[[threshold]]
shots = 1
min_accuracy = 0.9
mode = "confident"
"""
PROPERTY = settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A folder for the repository of the first test, which records it for all."""
    return tmp_path_factory.mktemp("recorded")


@pytest.fixture
def project(recorded, pets, jobs, monkeypatch):
    """A run's results with every part that there is."""
    pets.toml = pets.add(shots="[0, 1]", test=None, more=LIMITS)
    edit(pets.toml, "[matrix]", "prices = { training = 3, input = 1, output = 2 }\n\n[matrix]\n"
         "train_sizes = [20, 24, 30]")  # fmt: skip
    (pets.toml.parent / "test_own.py").write_text(TEST)
    monkeypatch.chdir(pets.root)
    if any(recorded.iterdir()):
        shutil.copytree(recorded, pets.root, dirs_exist_ok=True)
    else:
        jobs.complete = varied(pets)
        pets.loopback.answer = jobs.answer
        pets.record("--results", "out", "--rivals")
        shutil.copytree(pets.root, recorded, dirs_exist_ok=True)
    pets.path = pets.root / "out/results.json"
    pets.document = json.loads(pets.path.read_bytes())
    assert all(pets.document[part] for part in pets.document if part != "errors")
    (pets.root / "changed").mkdir()
    pets.changed = pets.root / "changed/results.json"
    return pets


def varied(pets):
    """Answers of which some are wrong, and one has no label."""

    def complete(asked):
        said = pets.answer(asked)
        for choice, prompt in zip(said.body.get("choices", ()), asked.prompts, strict=False):
            number = int(re.findall(r"number (\d+)", prompt)[-1])
            if number % (5 if asked.fields["model"].startswith("ft:") else 3) == 0:
                choice["text"] = [" cat", " dog", " bird"][number % 3]
        return said

    return complete


# Values in places

SPECIAL = [
    *(None, True, False, 0, 1, -1, 0.5, 2, 1.5, float("nan"), float("inf"), -float("inf")),
    *(10**30, -(10**30), 2**63, 10**400, "", "x", "0", "\ud800", "\x1b[31m", "a\nb", "pass"),
    *([], [0], [None], {}, {"x": 1}, [[]]),
]  # fmt: skip
JSON = st.sampled_from(SPECIAL) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=4,
)


def places(value, at=()):
    """The path of every value in a document."""
    if at:
        yield at
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for name, inner in items:
        yield from places(inner, (*at, name))


def kind_of(place):
    """The same for entries of one list, so that long lists do not crowd out the rest."""
    return tuple("*" if isinstance(part, int) else part for part in place)


@st.composite
def changes(draw, document):
    """A document with one place changed, and the place."""
    kinds = {}
    for place in places(document):
        kinds.setdefault(kind_of(place), []).append(place)
    kind = draw(st.sampled_from(sorted(kinds, key=str)))
    place = draw(st.sampled_from(kinds[kind]))
    changed = copy.deepcopy(document)
    *way, last = place
    holder = changed
    for part in way:
        holder = holder[part]
    how = draw(st.sampled_from(["value", "value", "value", "other", "gone", "twice", "shorter"]))
    if how == "value":
        holder[last] = draw(JSON)
    elif how == "other":
        holder[last] = copy.deepcopy(
            draw(st.sampled_from(sorted(places_values(document), key=str)))
        )
    elif how == "gone":
        del holder[last]
    elif how == "twice" and isinstance(holder, list):
        holder.insert(last, copy.deepcopy(holder[last]))
    elif how == "shorter" and isinstance(holder[last], list):
        holder[last] = holder[last][:-1]
    assume(not same(changed, document))
    return changed, place


def places_values(document):
    for place in places(document):
        value = document
        for part in place:
            value = value[part]
        if not isinstance(value, dict | list):
            yield value


def same(one, other):
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def run(capsys, *arguments):
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def names_the_field(err, path):
    """One sentence, with the file and the field or one that it contradicts."""
    assert err.startswith("tunebench: ")
    assert len(err.splitlines()) == 1
    assert str(path) in err
    assert re.search(r"\.json: \w[^;]*?[\w\]]: ", err), err
    assert "Traceback" not in err


# Fields that one command's outcome follows from and that nothing else in the file contradicts.
NAMES = {"items", "cell", "name", "experiment", "labels", "file"}


def free(place, changed, document):
    told = place[0] == "cells" and len(place) < 3 and isinstance(changed.get("cells"), list)
    fewer = told and len(changed["cells"]) < len(document["cells"])
    # A cell that is gone as a whole is as if it had not been run.
    return fewer or {part for part in place if isinstance(part, str)} & NAMES


@pytest.mark.parametrize("command", ["compare", "baseline", "curves", "report"])
def test_results_with_another_value_are_the_same_or_told(project, capsys, command):
    arguments = {
        "compare": ["compare", "--json", project.path, project.changed],
        "baseline": ["baseline", "--json", "--results", project.changed],
        "curves": ["curves", "--json", "--sizes", project.changed],
        "report": ["report", project.changed, "--force"],
    }[command]
    baseline = project.toml.parent / "baseline.json"
    page = project.changed.parent / "report.html"

    def outcome():
        baseline.unlink(missing_ok=True)
        page.unlink(missing_ok=True)
        code, out, err = run(capsys, *arguments)
        written = baseline.read_bytes() if baseline.exists() else b""
        return code, out, err, written

    project.changed.write_text(json.dumps(project.document))
    before = outcome()
    assert before[0] in (0, 1)

    @given(changes(project.document))
    @PROPERTY
    def holds(change):
        changed, place = change
        project.changed.write_text(json.dumps(changed))
        code, out, err, written = outcome()
        if code == 2:
            assert (out, written) == ("", b"")
            assert not page.exists()
            if not free(place, changed, project.document):
                names_the_field(err, project.changed)
        elif command != "report" and not free(place, changed, project.document):
            told = command == "baseline" and place[-1] == "recorded_at"
            assert told or (code, out, err, written) == before, place

    holds()


def test_a_baseline_with_another_value_is_the_same_or_told(project, capsys):
    assert main(["baseline", "--results", "out"]) == 0
    baseline = project.toml.parent / "baseline.json"
    document = json.loads(baseline.read_bytes())
    with project.toml.open("a") as file:
        file.write("[[threshold]]\nmax_regression = 0.01\n")
    (project.toml.parent / "test_own.py").unlink()
    one = "benchmarks/pets/test_one.py"
    (project.root / one).write_text(
        "from tunebench import Experiment\n"
        f"experiment = Experiment.read({str(project.toml)!r})\n"
        "def test_one(gate):\n    gate(experiment.cells[0])\n"
    )
    from tunebench import Experiment
    from tunebench.analysis import Session

    cell = Experiment.read(project.toml).cells[0]

    def outcome():
        session = Session("none")
        result = session.evaluate(cell, "", None)
        try:
            judged, _ = session.judge(result, lambda _: result)
        except Exception as error:
            return error
        finally:
            session.close()
        return judged, session.report_of(cell).flips

    before = outcome()
    assert before[1] == ()

    @given(changes(document))
    @PROPERTY
    def holds(change):
        from tunebench import TunebenchError

        changed, place = change
        baseline.write_text(json.dumps(changed))
        found = outcome()
        if isinstance(found, Exception):
            assert isinstance(found, TunebenchError), repr(found)
            assert str(baseline) in str(found)
            assert "\n" not in str(found)
        else:
            assert found == before or "recorded_at" in place, place

    holds()


# What does not survive a parser


@pytest.mark.parametrize("command", ["compare", "baseline", "curves", "report"])
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"accuracy": ', '"accuracy": 0.5, "accuracy": ', '"accuracy": the name is there twice'),
        ('"accuracy": ', '"accuracy": NaN, "other": ', "].accuracy: input should be a finite"),
        ('"accuracy": ', '"accuracy": -Infinity, "other": ', "].accuracy: input should be a fin"),
        ('"accuracy": ', '"accuracy": 1e999, "other": ', "].accuracy: input should be a finite"),
        (
            '"accuracy": ',
            f'"accuracy": {"9" * 5000}, "other": ',
            "this is not JSON (Exceeds the li",
        ),
        ('"accuracy": ', f'"accuracy": {"[" * 100_000}, "other": ', "this is not JSON"),
        ('"cells": ', '"cells": , "other": ', "this is not JSON"),
        ('"version": 3', '"version": 3.0', "version: these are not results of version 1, 2 or 3"),
        ('"version": 3', '"version": true', "version: these are not results of version 1, 2 or 3"),
    ],
)
def test_what_json_leaves_open_is_told(project, capsys, command, old, new, said):
    arguments = {
        "compare": ["compare", project.path, project.changed],
        "baseline": ["baseline", "--results", project.changed],
        "curves": ["curves", "--sizes", project.changed],
        "report": ["report", project.changed],
    }[command]
    text = project.path.read_text()
    assert old in text
    project.changed.write_text(text.replace(old, new, 1))
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert f"{project.changed}: " in err
    assert said in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["cells"].append(d["cells"][0]), "cells: the cell 'm-0shot' of 'pets' is th"),
        (lambda d: d["experiments"].append(d["experiments"][0]), "experiments: the experiment 'p"),
        (lambda d: d["cells"][1].update(cell="m-0shot"), "cells[1].cell: its model, shots and tr"),
        (lambda d: d["cells"][0].update(experiment="x"), "cells[0].experiment: there is no exper"),
        (lambda d: d["cells"][0].update(accuracy=0.9), "cells[0].accuracy: "),
        (lambda d: d["cells"][0].update(correct=11), "cells[0].correct: there are 10 texts"),
        (lambda d: d["cells"][0].update(verdict="fail"), "cells[0].verdict: its gates make pass"),
        (lambda d: d["cells"][0]["gates"][0].update(verdict="fail"), "cells[0].gates[0].verdict: "),
        (lambda d: d["cells"][0]["predictions"].pop(), "cells[0].predictions: there is not one f"),
        (lambda d: d["cells"][0]["predictions"].__setitem__(0, 7), "cells[0].predictions: there a"),
        (lambda d: d["experiments"][0]["items"].pop(), "experiments[0].label_ids: there are 9 it"),
        (lambda d: d["uplifts"][0].update(difference=0.01), "uplifts[0].difference: it does not "),
        (lambda d: d.pop("cells"), "cells: field required"),
    ],
)
def test_what_contradicts_itself_is_told_with_its_place(project, capsys, change, said):
    change(project.document)
    project.changed.write_text(json.dumps(project.document))
    code, _, err = run(capsys, "compare", project.path, project.changed)
    assert code == 2
    assert f"{project.changed}: {said}" in err
