"""``tunebench init`` where the columns are not named."""

import json
from pathlib import Path

import pytest

from tunebench import Experiment
from tunebench.cli import main
from tunebench.evaluation import dataset_of

from ..evenings import tree, write_table


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(ending, header, rows):
    """A file with such rows; its name."""
    name = f"evenings{ending}"
    if ending == ".jsonl":
        lines = [json.dumps(dict(zip(header, row, strict=True))) for row in rows]
    elif ending == ".parquet":
        pq, pa = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
        pq.write_table(
            pa.Table.from_pylist([dict(zip(header, row, strict=True)) for row in rows]), name
        )
        return name
    else:
        delimiter = "\t" if ending == ".tsv" else ";"
        lines = [delimiter.join(map(str, row)) for row in (header, *rows)]
    Path(name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return name


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("first", ["body", "mood"])
def test_of_two_columns_the_labels_are_those_of_fewer_values(ending, first, capsys):
    rows = [(f"an evening, {i}", ("bad", "good")[i % 2]) for i in range(60)]
    header = ("body", "mood")
    if first == "mood":
        header, rows = header[::-1], [row[::-1] for row in rows]
    assert main(["init", write(ending, header, rows)]) == 0
    task = Experiment.read("benchmarks/evenings/experiment.toml").task
    assert (task.text_column, task.label_column) == ("body", "mood")
    said = "Read the texts from the column 'body' and the labels from 'mood'.\n"
    assert said in capsys.readouterr().out


def test_labels_may_be_numbers_in_the_first_column():
    name = write(".jsonl", ("grade", "body"), [(i % 3, f"an evening, {i}") for i in range(60)])
    assert main(["init", name]) == 0
    assert Experiment.read("benchmarks/evenings/experiment.toml").task.label_column == "grade"


@pytest.mark.parametrize(
    ("option", "column", "expected"),
    [
        ("--text", "body", ("body", "mood")),
        ("--label", "mood", ("body", "mood")),
        # What is named counts more than what the values look like.
        ("--text", "mood", ("mood", "body")),
        ("--label", "body", ("mood", "body")),
    ],
)
def test_of_two_columns_one_may_be_named(option, column, expected, capsys):
    rows = [(f"word{i % 2}", f"{'good' if i % 2 else 'bad'} {i}") for i in range(60)]
    name = write(".csv", ("body", "mood"), rows)
    main(["init", name, option, column, "--json"])
    text, label = expected
    out, err = capsys.readouterr()
    if label == "body":  # two labels
        notes = json.loads(out)["notes"]
        assert notes[0] == f"Read the texts from the column {text!r} and the labels from 'body'."
    else:
        assert "of 'mood'" in err or "label" in err


def test_of_more_columns_the_names_are_listed_and_none_is_taken(capsys):
    name = write(".csv", ("id", "body", "mood"), [(i, f"an evening, {i}", "bad") for i in range(9)])
    for named, missing in (
        ([], "--text and --label"),
        (["--text", "body"], "--label"),
        (["--label", "mood"], "--text"),
    ):
        assert main(["init", name, *named]) == 2
        assert capsys.readouterr().err == (
            f"tunebench: {name}: the columns are 'id', 'body', 'mood'; name those to read with "
            f"{missing}.\n"
        )
    assert tree() == [name]


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (("an evening 0", "good"), "'good'"),
        (
            ("an evening that " + "went on " * 12, "fair"),
            "'an evening that went on went on went on …'",
        ),
        ((1, "an evening 0", 1, "good"), "'good'"),
    ],
)
@pytest.mark.parametrize("named", [[], ["--text", "body"], ["--text", "body", "--label", "mood"]])
def test_a_file_without_column_names_is_refused(header, value, named, capsys):
    more = ["x"] * (len(header) - 2)
    rows = [(*more, f"an evening {i}", ("bad", "good")[i % 2]) for i in range(1, 60)]
    name = write(".csv", header, rows)
    assert main(["init", name, *named]) == 2
    assert capsys.readouterr().err == (
        f"tunebench: {name}: the first line should name the columns, and {value} looks like a "
        "value; put a line with the names of the columns above it, or give --text and --label if "
        "they are called so.\n"
    )
    assert tree() == [name]


def test_a_column_may_have_the_name_of_a_label_where_it_is_named():
    rows = [(f"a message, {i}", ("spam", "ham")[i % 2]) for i in range(60)]
    name = write(".csv", ("body", "spam"), rows)
    assert main(["init", name]) == 2
    assert main(["init", name, "--text", "body", "--label", "spam"]) == 0
    assert Experiment.read("benchmarks/evenings/experiment.toml").task.label_column == "spam"


def test_two_columns_of_one_name_are_refused(capsys):
    name = write(".csv", ("body", "body"), [("a", "b")])
    assert main(["init", name]) == 2
    assert "2 columns are called 'body'; rename all but one." in capsys.readouterr().err


def test_a_file_that_cannot_be_read_is_one_sentence(capsys):
    for name, content in (
        ("a.jsonl", "{\n"),
        ("b.csv", ""),
        ("c.csv", "\n"),
        ("e.jsonl", ""),
        ("d.txt", "a,b\n"),
    ):
        Path(name).write_text(content)
        assert main(["init", name]) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"tunebench: {name}")
        assert err.count("\n") == 1


def test_zero_train_sizes_are_no_fine_tuning():
    name = write_table(rows=600)
    assert main(["init", name, "--train-sizes", "0", "--shots", "0", "1"]) == 0
    matrix = Experiment.read("benchmarks/evenings/experiment.toml").matrix
    assert (matrix.train_sizes, matrix.shots) == ([], [0, 1])


def test_the_old_name_of_the_folder_works():
    assert main(["init", write_table(), "--into", "repo"]) == 0
    assert Path("repo/benchmarks/evenings/experiment.toml").exists()


def with_people(order=lambda rows: rows):
    rows = [(f"an evening, {i}", ("bad", "good")[i * i % 3 % 2], f"p{i % 17}") for i in range(120)]
    return write(".csv", ("body", "mood", "person"), order(rows))


def test_a_column_of_groups_is_written_and_keeps_to_one_side(capsys):
    assert main(["init", with_people(), "--group", "person"]) == 0
    experiment = Experiment.read("benchmarks/evenings/experiment.toml")
    task = experiment.task
    named = (task.text_column, task.label_column, task.group_column, task.order)
    assert named == ("body", "mood", "person", None)
    data = dataset_of(experiment)
    assert not set(data.train["group"]) & set(data.test["group"])
    assert "17 groups, none of them on both sides of the split." in capsys.readouterr().out


def test_a_file_that_is_sorted_by_group_is_ordered_by_hash(capsys):
    name = with_people(lambda rows: sorted(rows, key=lambda row: row[2]))
    assert main(["init", name, "--group", "person"]) == 0
    assert Experiment.read("benchmarks/evenings/experiment.toml").task.order == "hash"
    assert "The file is sorted, so the experiment orders its rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("persn", "there is no column 'persn', which --group names; did you mean 'person'?"),
        ("mood", "--label and --group are both 'mood'; name two columns."),
    ],
)
def test_a_wrong_column_of_groups_is_one_sentence(column, said, capsys):
    name = with_people()
    assert main(["init", name, "--text", "body", "--label", "mood", "--group", column]) == 2
    assert said in capsys.readouterr().err
    assert not Path("benchmarks").exists()
