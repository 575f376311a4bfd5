"""``tunebench init`` on the kinds of files that people have, and what it says of them."""

import csv
import gzip
import json
import os
from pathlib import Path

import pytest

from tunebench import Experiment
from tunebench.cli import main
from tunebench.errors import ExperimentError
from tunebench.evaluation import dataset_of

from ..evenings import init, tree, write_table

SYSTEM = "Is the evening bad or good?"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def chats(rows, name="evenings.jsonl", system=SYSTEM):
    """A chat file of such rows; its name."""
    with Path(name).open("w", encoding="utf-8") as file:
        for text, label in rows:
            contents = {"system": system, "user": text, "assistant": label}
            messages = [{"role": role, "content": content} for role, content in contents.items()]
            file.write(json.dumps({"messages": messages}) + "\n")
    return name


def evenings(start, end):
    return [(f"an evening, {i}", ("bad", "good")[i % 2]) for i in range(start, end)]


def said_of(*arguments, capsys):
    """The report of the command with such arguments, and its experiment."""
    assert main(["init", *map(str, arguments), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    return report, Experiment.read(f"benchmarks/{report['name']}/experiment.toml")


def test_a_chat_file_becomes_an_experiment_with_its_system_message(capsys):
    report, experiment = said_of(chats(evenings(0, 200)), capsys=capsys)
    task = experiment.task
    assert (task.text_column, task.label_column) == ("user", "assistant")
    assert (task.instruction, task.labels) == (SYSTEM, ["bad", "good"])
    assert len(dataset_of(experiment).test) > 20
    assert "The instruction is the system message of evenings.jsonl." in report["notes"]


def test_an_instruction_takes_the_place_of_the_system_message(capsys):
    name = chats(evenings(0, 200))
    report, experiment = said_of(name, "--instruction", "Bad or good?", capsys=capsys)
    assert experiment.task.instruction == "Bad or good?"
    note = "--instruction takes the place of the system message of evenings.jsonl."
    assert note in report["notes"]


def test_the_file_itself_is_no_test_file(capsys):
    table = chats(evenings(0, 60))
    assert main(["init", table, "--test-file", f"./{table}"]) == 2
    assert "--test-file is a file to train on, too; give another" in capsys.readouterr().err


def test_a_pair_file_becomes_an_experiment_without_its_marks(capsys):
    with Path("pairs.jsonl").open("w") as file:
        for text, label in evenings(0, 200):
            pair = {"prompt": f"{text}\n\n###\n\n", "completion": f" {label} END", "id": 7}
            file.write(json.dumps(pair) + "\n")
    report, experiment = said_of("pairs.jsonl", capsys=capsys)
    data = dataset_of(experiment)
    assert set(data.test["text"]) < {text for text, _ in evenings(0, 200)}
    assert report["labels"] == {"bad": 100, "good": 100}
    assert report["notes"][1:3] == [
        "All prompts end with '\\n\\n###\\n\\n', which is not part of the texts.",
        "All completions end with ' END', which is not part of the labels.",
    ]


def test_a_pattern_reads_several_files_as_one(capsys):
    Path("data").mkdir()
    for number in range(3):
        chats(evenings(60 * number, 60 * number + 60), f"data/{number}.jsonl")
    report, experiment = said_of("data/?.jsonl", capsys=capsys)
    assert (report["name"], report["rows"]) == ("data", 180)
    assert experiment.task.dataset == "../../data/?.jsonl"
    assert "/data/?.jsonl -text" in Path(".gitattributes").read_text()
    assert dataset_of(experiment).report.rows == 180
    chats(evenings(180, 200), "data/3.jsonl")
    again = Experiment.read(experiment.path)
    assert dataset_of(again).report.rows == 200


def test_files_that_a_shell_has_found_are_to_be_given_as_a_pattern(capsys):
    names = [chats(evenings(0, 60), "a.jsonl"), chats(evenings(60, 90), "b.jsonl")]
    assert main(["init", *names]) == 2
    assert "2 files are given, and" in (said := capsys.readouterr().err)
    assert "write it in quotes, as in '*.jsonl'" in said
    assert main(["init", "c*.jsonl"]) == 2
    assert "c*.jsonl: there is no such file" in capsys.readouterr().err
    assert main(["init", "?.jsonl", "--test-file", "b.jsonl"]) == 2
    assert "--test-file is a file to train on, too" in capsys.readouterr().err
    assert tree() == names


def test_a_file_of_test_rows_is_the_test_set(capsys):
    train, test = chats(evenings(0, 150)), chats(evenings(150, 190), "valid.jsonl")
    report, experiment = said_of(train, "--test-file", test, capsys=capsys)
    task = experiment.task
    assert (task.dataset, task.test_dataset) == ("../../evenings.jsonl", "../../valid.jsonl")
    assert (task.test_size, task.overlap) == (40, "refuse")
    assert (report["rows"], report["test_rows"]) == (150, 40)
    data = dataset_of(experiment)
    assert (len(data.train), data.test["text"].tolist()) == (
        150,
        [t for t, _ in evenings(150, 190)],
    )
    attributes = Path(".gitattributes").read_text()
    assert all(f"/{name} -text" in attributes for name in (train, test))


def test_rows_of_both_files_are_left_to_the_test_rows_and_counted(capsys):
    train, test = chats(evenings(0, 150)), chats(evenings(147, 190), "valid.jsonl")
    report, experiment = said_of(train, "--test-file", test, capsys=capsys)
    assert experiment.task.overlap == "move"
    assert len(dataset_of(experiment).train) == 147
    said = "3 rows are not trained on, since the text or group is in valid.jsonl, too."
    assert said in report["left_out"]


@pytest.mark.parametrize(
    ("test", "said"),
    [
        (lambda: chats(evenings(9, 60), "v.jsonl", "Bad?"), "v.jsonl: the system message is not "
         "that of evenings.jsonl; write them alike, or give --instruction."),
        (lambda: write_table(30, name="v.csv"), "v.csv: there is no column 'user', which --text "
         "names; the names are 'body', 'mood'."),
        (lambda: chats([(t, "good") for t, _ in evenings(4, 60)], "v.jsonl"), "v.jsonl: the label "
         "column holds one label, 'good', and a task has 2 to 200; name another column, or fix the "
         "file."),
    ],
)  # fmt: skip
def test_files_that_contradict_each_other_are_one_sentence(test, said, capsys):
    train, test = chats(evenings(0, 150)), test()
    assert main(["init", train, "--test-file", test]) != 0
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert said.split(";")[0] in err
    assert not Path("benchmarks").exists()


def test_a_label_of_the_test_rows_alone_is_named(capsys):
    train = chats(evenings(0, 150))
    test = chats([*evenings(200, 230), ("so so", "fair")], "v.jsonl")
    report, experiment = said_of(train, "--test-file", test, capsys=capsys)
    assert experiment.task.labels == ["bad", "fair", "good"]
    note = "The label 'fair' is in the test rows only, so nothing can learn it."
    assert note in report["notes"]
    assert experiment.matrix.shots == [0, 1]
    said = "No prompts with 4 worked examples: the training rows hold 0 of 'fair'."
    assert said in report["left_out"]


def test_a_compressed_table_becomes_an_experiment_of_its_name(capsys):
    packed = Path("evenings.csv.gz")
    packed.write_bytes(gzip.compress(Path(write_table(rows=200)).read_bytes()))
    report, experiment = said_of(packed, capsys=capsys)
    assert report["name"] == "evenings"
    assert experiment.task.dataset == "../../evenings.csv.gz"
    assert len(dataset_of(experiment).test) > 20


def test_a_workbook_becomes_an_experiment(capsys):
    book = pytest.importorskip("openpyxl").Workbook()
    for row in (("body", "stars"), *((text, i % 3) for i, (text, _) in enumerate(evenings(0, 99)))):
        book.active.append(row)
    book.save("evenings.xlsx")
    _, experiment = said_of("evenings.xlsx", capsys=capsys)
    assert experiment.task.labels == ["0", "1", "2"]


def test_what_is_left_out_for_lack_of_rows_is_said_with_the_reason(capsys):
    said_of(write_table(rows=150), capsys=capsys)
    report, experiment = said_of(write_table(rows=16), "--name", "few", capsys=capsys)
    rows = len(dataset_of(experiment).train)
    assert report["left_out"] == [
        f"No prompts with 4 worked examples: that takes 16 training rows, and there are {rows}.",
        f"No training size 100: there are {rows} training rows.",
        f"No training size 300: there are {rows} training rows.",
    ]


@pytest.mark.parametrize(
    ("labels", "provider", "said"),
    [
        (("bad", "badly"), "local", None),
        (("bad one", "bad two"), "local", None),
        (("bad", "bad one"), "local", "the labels 'bad' and 'bad one' begin alike, and their "
         "first tokens may not tell them apart."),
        (("bad one", "bad two"), "openai", "the labels 'bad one' and 'bad two' begin alike, and "
         "their first tokens may not tell them apart."),
        (("bad", "good"), "https://models.example/v1", "endpoint is not known to give "
         "log-probabilities."),
    ],
)  # fmt: skip
def test_a_decision_rule_that_is_left_out_is_said_with_the_reason(labels, provider, said, capsys):
    name = write_table(rows=600, labels=labels)
    report, experiment = said_of(name, "--provider", provider, "--model", "gemma3-270m",
                                 "--train-sizes", "0", capsys=capsys)  # fmt: skip
    expected = [] if said is None else [f"No decision rule label_logprobs: {said}"]
    assert report["left_out"] == expected
    assert ("label_logprobs" in experiment.matrix.decision_rules) == (said is None)


def test_that_near_duplicates_were_not_looked_for_is_said(monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "rensa", None)
    report, _ = said_of(write_table(), capsys=capsys)
    (note,) = (note for note in report["notes"] if "Near-duplicates" in note)
    assert note.startswith("Near-duplicates of test texts in the training rows: not looked for.")
    assert "pip install" in note


def with_long_texts(*positions, words=12_000):
    rows = [(text + " word" * words * (i in positions), label)
            for i, (text, label) in enumerate(evenings(0, 60))]  # fmt: skip
    with Path("evenings.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("body", "mood"), *rows])
    return "evenings.csv"


def test_texts_longer_than_the_model_s_context_are_named_with_the_key_that_cuts_them(capsys):
    name = with_long_texts(17, 42)
    report, experiment = said_of(name, "--shots", 0, 1, capsys=capsys)
    (note,) = (note for note in report["notes"] if "max_chars" in note)
    assert note == (
        "2 texts are longer than the context of smollm2-135m, 8,192 tokens, at an estimated 4 "
        "bytes a token (evenings.csv, line 19; evenings.csv, line 44). Set max_chars = 12200 in "
        'the [task] of the experiment, which cuts them at a word boundary (keep = "end" keeps '
        "their ends), or take the rows out."
    )
    text = experiment.path.read_text()
    experiment.path.write_text(text.replace("test_size =", "max_chars = 12200\ntest_size ="))
    data = dataset_of(Experiment.read(experiment.path))
    assert max(map(len, [*data.train["text"], *data.test["text"]])) <= 12200
    assert len(data.cut) == 2


def test_the_context_is_that_of_the_model(capsys, tmp_path):
    name = with_long_texts(17)
    report, _ = said_of(name, "--model", "gemma3-270m", capsys=capsys)
    assert not any("max_chars" in note for note in report["notes"])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/config.json").write_text('{"max_position_embeddings": 512}')
    report, _ = said_of(name, "--model", "./mine", "--name", "b", capsys=capsys)
    assert any("the context of ./mine, 512 tokens" in note for note in report["notes"])
    url = "https://models.example/v1"
    report, _ = said_of(name, "--provider", url, "--model", "m", "--name", "c", capsys=capsys)
    assert any("the context of m is not known" in note for note in report["notes"])


def test_worked_examples_that_make_prompts_too_long_are_named(capsys):
    name = with_long_texts(*range(60), words=3000)
    report, _ = said_of(name, "--shots", 0, 4, capsys=capsys)
    (note,) = (note for note in report["notes"] if "max_chars" in note)
    assert note.startswith("Prompts of smollm2-135m-4shot have up to ")
    assert "Set max_chars = 4900 in the [task]" in note


def test_a_part_to_keep_without_a_limit_is_one_sentence():
    assert init(write_table()) == 0
    path = Path("benchmarks/evenings/experiment.toml")
    path.write_text(path.read_text().replace("test_size =", 'keep = "end"\ntest_size ='))
    with pytest.raises(ExperimentError) as raised:
        Experiment.read(path)
    assert str(raised.value) == (
        f"{path}: [task] keep: nothing says how long the part of a text is that is kept; set "
        "max_chars, or leave keep out."
    )


def test_nothing_is_written_for_a_chat_that_cannot_be_read(capsys):
    name = chats([("one", "a"), ("two", "b")])
    with Path(name).open("a") as file:
        file.write('{"messages": [{"role": "user", "content": "three"}]}\n')
    assert main(["init", name]) != 0
    assert capsys.readouterr().err == (
        f"tunebench: {name}, line 3: there is no message of the role 'assistant'; make it a row of "
        "one text and its label, or take it out.\n"
    )
    assert tree() == [name]


def test_control_characters_of_labels_are_shown_escaped(capsys):
    write_table(labels=("\x1b[31mbad", "\x1b]0;title\x07good"))
    assert init("evenings.csv") == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "  \\x1b[31mbad: 100 (50.0%)\n" in out


def test_a_file_name_that_is_not_utf_8_is_refused(capsys):
    name = write_table()
    other = Path(os.fsdecode(b"evenings\xff.csv"))
    try:
        Path(name).rename(other)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert init(other) == 2
    err = capsys.readouterr().err
    assert 'dataset = "../../evenings\\udcff.csv": this is not UTF-8' in err
    assert "rename the file" in err
    assert not Path("benchmarks").exists()
