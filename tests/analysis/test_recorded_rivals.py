"""Rivals are trained when cells are recorded, stored, and shown in every replay."""

import json
import subprocess
import sys

import pytest

from tunebench import Experiment, TunebenchError
from tunebench.analysis.rival_file import (
    RecordedRival,
    read_rivals,
    rows_sha256,
    short_sha256,
    write_rivals,
)
from tunebench.analysis.rival_rows import recorded_rivals
from tunebench.api import LocalProvider
from tunebench.errors import CassetteError
from tunebench.evaluation import StartedProvider, estimates, train_rows
from tunebench.reports import read_results

from ..cassette_lines import rows
from ..conftest import Said

SIZES = "\n[[rival]]\nname = 'letters'\nprovider = 'standin'\nmodel = 'embedder'\n"
TF_IDF, LETTERS = "tf-idf + logistic regression", "letters + logistic regression"


@pytest.fixture
def project(pets):
    """Pets with 20 training rows and a rival on embeddings."""
    pets.toml = pets.add(more="train_sizes = [12, 20]\n[fine_tuning]\nn_epochs = 1\n" + SIZES)
    pets.embeddings = pets.root / "cassettes" / "pets" / "embeddings" / "letters.jsonl"
    pets.file = pets.root / "cassettes" / "pets" / "rivals" / "predictions.jsonl"
    pets.shown = lambda *options: pets.run("-k", "0shot", "--results", "out", *options)
    pets.embedded = lambda: [a for a in pets.loopback.asked if a.path.endswith("/embeddings")]
    return pets


def edit(project, old, new):
    text = project.toml.read_text()
    assert old in text
    project.toml.write_text(text.replace(old, new))


def names(project):
    return [(row["model"], row["train_size"]) for row in project.results()["rivals"]]


ALL = [(name, size) for size in (12, 20) for name in ("majority class", TF_IDF, LETTERS)]


def test_a_recording_trains_them_once_and_a_replay_shows_the_same_without_asking(project):
    first = project.shown("--record=missing")
    assert first.ret == 0
    assert names(project) == ALL
    recorded = project.results()["rivals"]
    assert [len(a.prompts) for a in project.embedded()] == [20, 10]  # 20 to train on, 10 to test
    assert {a.fields["model"] for a in project.embedded()} == {"embedder"}
    content = project.file.read_bytes()
    assert b"my pet" not in content

    project.loopback.asked.clear()
    done = project.shown()
    assert done.ret == 0
    done.stdout.fnmatch_lines([f"*{LETTERS}*20 rows*"])
    assert project.results()["rivals"] == recorded
    assert project.shown("--record=missing").ret == 0
    assert project.loopback.asked == []
    assert project.file.read_bytes() == content


def test_a_replay_reads_no_embeddings(project):
    project.shown("--record=missing")
    project.embeddings.write_text("damaged\n")
    assert project.shown().ret == 0
    assert names(project) == ALL


def test_trained_again_they_agree(project):
    project.shown("--record=missing")
    recorded = project.results()["rivals"]
    for option in ("--rivals", "--rivals=train", "--tunebench-rivals=train"):
        assert project.shown(option).ret == 0
        assert project.results()["rivals"] == recorded


def test_the_bare_option_takes_no_value(project):
    project.shown("--record=missing")
    assert project.run("--rivals", "benchmarks/pets", "-k", "0shot").ret == 0
    done = project.run("--rivals=never", "benchmarks/pets")
    assert done.ret == pytest.ExitCode.USAGE_ERROR


def test_a_difference_is_an_error_with_its_number_and_the_versions(project):
    project.shown("--record=missing")
    recorded = read_rivals(project.file, "pets")
    changed = [
        RecordedRival(**vars(one) | {"predictions": [1 - p for p in one.predictions[:3]]
                                     + list(one.predictions[3:]),
                                     "versions": {"scikit-learn": "1.0"}})
        if (one.rival, one.train_size) == (LETTERS, 20) else one
        for one in recorded
    ]  # fmt: skip
    write_rivals(project.file, "pets", changed)
    done = project.shown("--rivals=train")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    [line] = [line for line in done.outlines if "predictions differ" in line]
    assert f"{LETTERS} on 20 rows: 3 of 10 predictions differ from the recorded ones" in line
    assert "scikit-learn 1.0 then and " in line


@pytest.mark.parametrize(
    ("change", "said", "kept"),
    [
        ("train", "recorded for other training rows: majority class on 12 rows, ", 0),
        ("more rows", "", 6),
        ("fewer texts", "", 6),
        ("more texts", "since they are recorded for other test texts: majority class on 12", 0),
        ("another model", f"another model or other parameters: {LETTERS} on 12 rows, ", 4),
        ("another size", f"not recorded: majority class on 21 rows, {TF_IDF} on 21 rows, ", 3),
        ("no file", "no rivals are recorded; record them with --record=missing", 0),
    ],
)
def test_what_is_recorded_for_other_rows_is_left_out_with_the_reason(project, change, said, kept):
    project.shown("--record=missing")
    table = project.root / "pets.csv"
    if change == "more rows":
        table.write_text(table.read_text() + "my pet number 99 sleeps a lot,dog\n")
    if change == "train":
        text = train_rows(Experiment.read(project.toml))["text"].iloc[0]
        table.write_text(table.read_text().replace(f"{text},", f"{text} again,"))
    edits = {
        "fewer texts": ("test_size = 10", "test_size = 7"),
        "more texts": ("test_size = 10", "test_size = 11"),
        "another model": ("'embedder'", "'other'"),
        "another size": ("[12, 20]", "[12, 21]"),
    }
    if change in edits:
        edit(project, *edits[change])
    if change == "no file":
        project.file.unlink()
    made = recorded_rivals([str(project.toml)])
    assert len(made.rows) == kept
    assert all(row["n"] == (7 if change == "fewer texts" else 10) for _, row in made.rows)
    assert made.complaints == []
    assert len(made.notes) == bool(said)
    assert said in "".join(made.notes)


def test_only_what_is_missing_is_trained_and_asked(project):
    project.shown("--record=missing")
    before = {(one.rival, one.train_size): one for one in read_rivals(project.file, "pets")}
    project.loopback.asked.clear()
    edit(project, "[12, 20]", "[12, 22]")
    assert project.shown("--record=missing").ret == 0
    after = {(one.rival, one.train_size): one for one in read_rivals(project.file, "pets")}
    assert [(size, name) for name, size in after] == [
        (size, name) for size in (12, 22) for name in ("majority class", TF_IDF, LETTERS)
    ]
    assert all(after[key] == before[key] for key in after.keys() & before.keys())
    assert [len(a.prompts) for a in project.embedded()] == [2]


def test_record_all_asks_and_trains_again(project):
    project.shown("--record=missing")
    project.loopback.asked.clear()
    project.file.write_text("damaged\n")
    assert project.shown("--record=all").ret == 0
    assert [len(a.prompts) for a in project.embedded()] == [20, 10]
    assert names(project) == ALL


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (({"error": {"message": "no embeddings here"}}, 501), "the provider answered 501 (no emb"),
        (({"error": {"message": "Not Found"}}, 404), "the provider answered 404 (Not Found)"),
        (({"error": {"message": "wrong kind"}}, 400), "the provider answered 400 (wrong kind)"),
        (({"data": [{"embedding": []}]}, 200), "20 texts were sent and 1 embeddings came back"),
    ],
)
def test_a_provider_without_embeddings_is_one_sentence_and_the_others_are_recorded(
    project, said, answer
):
    complete = project.answer

    def refusing(asked):
        return Said(*answer) if asked.path.endswith("/embeddings") else complete(asked)

    project.loopback.answer = refusing
    done = project.shown("--record=missing")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.assert_outcomes(passed=1, deselected=2)
    text = " ".join(" ".join(done.outlines).split())
    assert text.count("letters (rival): ") == 1
    assert answer[0].get("error", {}).get("message", "20 texts") in text
    assert names(project) == [key for key in ALL if key[0] != LETTERS]
    assert len(project.embedded()) == 1
    project.loopback.answer = complete
    assert project.shown("--record=missing").ret == 0
    assert names(project) == ALL


def test_embeddings_of_two_widths_are_refused(project):
    complete = project.answer

    def narrower(asked):
        said = complete(asked)
        if len(asked.prompts) == 10 and "data" in said.body:
            for one in said.body["data"]:
                one["embedding"] = one["embedding"][:3]
        return said

    project.loopback.answer = narrower
    done = project.shown("--record=missing")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    text = " ".join(" ".join(done.outlines).split())
    assert "its embeddings have different widths, so they are not of one model" in text


@pytest.mark.parametrize(
    ("line", "change", "said"),
    [
        (0, lambda _: b"{}\n", "line 1: this is not a file of rivals"),
        (0, lambda line: line.replace(b"pets", b"cats"), "line 1: the rivals belong to the exper"),
        (0, lambda line: line.replace(b"1", b"9"), "line 1: the rivals have format version 9"),
        (1, lambda line: line.replace(b'"items":["', b'"items":["x'), "line 2: the line is damag"),
        (2, lambda line: line.replace(b"20", b"21").replace(b"12", b"13"), "line 3: the line is"),
        (-1, lambda line: line[:-5], "line 8: the line is damaged"),
        (1, lambda _: b"", "line 2: the line is damaged"),
    ],
)
def test_a_damaged_file_is_an_error_with_its_line(project, line, change, said):
    project.shown("--record=missing")
    lines = project.file.read_bytes().splitlines(keepends=True)
    lines[line] = change(lines[line])
    project.file.write_bytes(b"".join(lines))
    done = project.shown()
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    text = " ".join(" ".join(done.outlines).split())
    assert f"predictions.jsonl, {said}" in text
    assert project.results()["rivals"] == []
    assert len(project.results()["cells"]) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("'standin'\nmodel", "'stand'\nmodel"), "there is no provider 'stand'; did you mean"),
        ((SIZES, SIZES + SIZES), "[[rival]] 2: the name 'letters' is used twice; rename one."),
        (("'letters'", "'two words'"), "[[rival]] 1: name: must consist of letters"),
        (("'embedder'", "''"), "[[rival]] 1: model: must not be empty"),
        (
            ("'embedder'", "'embedder'\nparameters = { input = 'a' }"),
            "cannot set input, which the request for embeddings sets itself",
        ),
        (
            ("'embedder'", "'embedder'\nprices = { input = 1, per_hour = 1 }"),
            "[[rival]] 1: prices: the prices of 'letters' are both per token and per_hour",
        ),
    ],
)
def test_a_wrong_table_is_a_sentence(project, change, said):
    edit(project, *change)
    with pytest.raises(TunebenchError) as raised:
        Experiment.read(project.toml)
    assert said in str(raised.value).replace("name, ", "name: ")


def test_the_name_of_a_rival_that_every_experiment_has_is_refused(project):
    edit(project, "'letters'", "'tf-idf'")
    done = project.shown("--record=missing")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    text = " ".join(" ".join(done.outlines).split())
    assert f"[[rival]] 1: the name 'tf-idf' makes '{TF_IDF}', which every experiment has" in text


def test_without_scikit_learn_a_recording_goes_on_and_says_what_to_install(project):
    hide = (
        "import importlib.util, sys\n"
        "find = importlib.util.find_spec\n"
        "hidden = lambda name, *rest: None if name == 'sklearn' else find(name, *rest)\n"
        "importlib.util.find_spec = hidden\n"
        "import pytest\n"
        "sys.exit(pytest.main(['-k', '0shot', *sys.argv[1:]]))"
    )

    def hidden(*options):
        return subprocess.run(
            [sys.executable, "-c", hide, "--results", "out", *options],
            cwd=project.root, capture_output=True, text=True,
        )  # fmt: skip

    done = hidden("--record=missing")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pip install 'tunebench[rivals]'" in " ".join(done.stdout.split())
    assert names(project) == [("majority class", 12), ("majority class", 20)]
    assert project.embedded() == []
    assert project.shown("--record=missing").ret == 0
    assert names(project) == ALL
    assert hidden().returncode == 0
    assert names(project) == ALL


def test_rows_that_teach_nothing_are_a_note_of_the_recording(project):
    edit(project, "[12, 20]", "[1]")
    done = project.shown("--record=missing")
    assert done.ret == 0
    text = " ".join(" ".join(done.outlines).split())
    assert f"{TF_IDF} on 1 rows: the training rows have one class only" in text
    assert names(project) == [("majority class", 1)]


def test_an_experiment_without_training_sizes_asks_nothing(project):
    edit(project, "train_sizes = [12, 20]", "")
    assert project.shown("--record=missing").ret == 0
    assert project.results()["rivals"] == []
    assert project.embedded() == []
    assert not project.file.exists()


def test_their_price_counts_for_the_budget(project):
    prices = "prices = {{ input = {} }}"
    edit(project, 'name = "m"', f'name = "m"\n{prices.format("0, output = 0, training = 0")}')
    done = project.shown("--record=missing", "--budget", "1")
    text = " ".join(" ".join(done.outlines).split())
    assert "letters (rival): --budget needs to know what it costs; give the model 'letters'" in text
    edit(project, "'embedder'", f"'embedder'\n{prices.format(1_000_000)}")
    done = project.shown("--record=missing", "--budget", "1")
    text = " ".join(" ".join(done.outlines).split())
    assert "letters (rival): the budget of 1 USD would be passed" in text
    assert project.embedded() == []
    assert project.shown("--record=missing", "--budget", "9999").ret == 0
    assert names(project) == ALL


def test_processes_that_share_a_replay_show_the_same(project):
    project.shown("--record=missing")
    recorded = project.results()["rivals"]
    done = project.pytester.runpytest_subprocess(
        "-k", "0shot", "--results", "out", "-n", "2", "-p", "xdist"
    )
    assert done.ret == 0
    assert project.results()["rivals"] == recorded


MAIN = "import sys; from tunebench.cli import main; sys.exit(main())"


def run(project, *arguments):
    return subprocess.run(
        [sys.executable, "-c", MAIN, "cassettes", *arguments],
        cwd=project.root, capture_output=True, text=True,
    )  # fmt: skip


def test_the_commands_for_cassettes_know_their_files(project):
    skip = "skip = [{ train_size = 12, reason = 'no' }, { train_size = 20, reason = 'no' }]"
    edit(project, "[fine_tuning]", f"{skip}\n[fine_tuning]")
    project.run("--record=missing", "--results", "out")
    verified = json.loads(run(project, "verify", "--json").stdout)
    assert verified["problems"] == 0, verified
    found = {one["recording"]: one["rows"] for one in verified["cassettes"]}
    assert found["letters (rival)"] == 30
    assert "rivals" in found
    listed = json.loads(run(project, "ls", "--json").stdout)["cassettes"]
    states = {one["recording"]: one["state"] for one in listed}
    assert states["letters (rival)"] == "complete"

    folder = project.root / "cassettes" / "pets"
    assert json.loads(run(project, "diff", str(folder), str(folder), "--json").stdout)["same"]

    edit(project, "[12, 20]", "[12]")
    edit(project, ", { train_size = 20, reason = 'no' }", "")
    pruned = " ".join(run(project, "prune").stdout.split())
    assert "letters.jsonl: rewritten without 8 unused rows." in pruned
    assert len(rows(project.embeddings)) == 22

    lines = project.file.read_bytes().splitlines(keepends=True)
    project.file.write_bytes(b"".join([*lines[:2], lines[2][:-9] + b"\n"]))
    said = " ".join(run(project, "verify").stdout.split())
    assert "predictions.jsonl, line 3: the line is damaged" in said
    edit(project, SIZES, "")
    said = " ".join(run(project, "verify").stdout.split())
    assert "letters.jsonl: no cell uses it" in said


def test_hashes_of_rows_depend_on_all_of_them_and_their_order():
    texts, labels = ["a", "b", "a b"], [0, 1, 0]
    first = rows_sha256(texts, labels, [2, 3])
    assert rows_sha256(texts[:2], labels[:2], [2])[2] == first[2] != first[3]
    assert rows_sha256(["b", "a"], [0, 1], [2])[2] != first[2]
    assert rows_sha256(texts, [0, 0, 0], [2])[2] != first[2]
    assert len(short_sha256("\ud800")) == 16


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    assert read_rivals(tmp_path / "none" / "predictions.jsonl", "pets") is None
    with pytest.raises(CassetteError, match="the rivals cannot be read"):
        read_rivals(tmp_path, "pets")
    (tmp_path / "file").write_text("")
    with pytest.raises(CassetteError, match="line 1: this is not a file of rivals"):
        read_rivals(tmp_path / "file", "pets")


def test_their_tokens_and_price_are_estimated(project):
    edit(project, "'embedder'", "'embedder'\nprices = { input = 1_000_000, currency = 'EUR' }")
    row = estimates(Experiment.read(project.toml))[-1]
    assert row["what"] == "letters (rival)"
    assert row["note"] == " of embeddings (30 texts)"
    assert row["currency"] == "EUR"
    assert row["cost"] == pytest.approx(row["tokens"], rel=0.01)


def test_a_recording_starts_the_local_provider_with_their_models(project, monkeypatch):
    started = []
    monkeypatch.setattr(LocalProvider, "ensure", lambda _, url, models: started.append(models))
    edit(project, "[provider.standin]", "[provider.standin]\npreset = 'local'")
    StartedProvider().start(Experiment.read(project.toml), "standin", "m", print)
    assert started == [["m", "embedder"]]


def test_results_of_the_version_before_are_read_and_shown(project):
    project.shown("--record=missing")
    path = project.root / "out" / "results.json"
    now = json.loads(path.read_text())
    before = {name: part for name, part in now.items() if name != "rivals"}
    old = before | {"version": 2, "baselines": now["rivals"]}
    path.write_text(json.dumps(old))
    read = read_results(path)
    assert (read["version"], read["rivals"]) == (3, now["rivals"])
    assert "baselines" not in read
    old["baselines"][0]["correct"] += 1
    path.write_text(json.dumps(old))
    with pytest.raises(TunebenchError, match=r"rivals\[0\]\.accuracy"):
        read_results(path)
