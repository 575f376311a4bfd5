"""Replay where the texts are not: recorded, the data taken away, and replayed by its items."""

import csv
import json
import zlib
from contextlib import closing

import pytest

from tunebench.cli import main
from tunebench.errors import CellError
from tunebench.evaluation import Runner, items_writing, many_items
from tunebench.experiment import Experiment

from ..cassette_lines import rows
from ..film_project import FilmProject
from ..results_schema import fits

DATASET = 'dataset = "imdb_reviews"'
OWN = 'dataset = "films.csv"\ntest_dataset = "held_out.csv"\n'
OWN += 'text_column = "review"\nlabel_column = "verdict"\ngroup_column = "critic"'
VERDICTS = ("Negative", "Positive")
NOTE = "Prompts not checked against the data: the data set is not on this machine*"


def films(count, start, kind):
    for i in range(start, start + count):
        critic = f"{kind} critic {i // 3}"
        yield f"a {('dull', 'fine')[i % 2]} film, number {i} of theirs", VERDICTS[i % 2], critic


class OwnFilms(FilmProject):
    """The project of the films on two tables of its own, with groups."""

    def write(self, name="held_out.csv", rows=None):
        made = rows or list(films(12, 500, "test") if name != "films.csv" else films(20, 0, "old"))
        path = self.toml.parent / name
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("review", "verdict", "critic"), *made])
        self.write_data()  # forgets what was read before
        return path

    def take_data_away(self):
        for name in ("films.csv", "held_out.csv"):
            (self.toml.parent / name).unlink()
        self.write_data()
        self.loopback.asked.clear()

    @property
    def items(self):
        return self.cassettes / "items.jsonl"

    def document(self, folder):
        return fits(json.loads((self.root / folder / "results.json").read_text()))


@pytest.fixture
def project(pytester, loopback, jobs, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    project = OwnFilms(pytester, loopback, jobs, tmp_path / "data")
    project.edit(DATASET, OWN)
    project.write("films.csv")
    project.write()
    return project


@pytest.fixture
def recorded(project, recordings):
    """The same, recorded, with nothing asked since."""
    recordings.record(project, passed=4)
    project.jobs.requests.clear()
    return project


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def rewrite(path, number, **changes):
    """Change fields of a line, with a checksum that fits."""
    text = path.read_text().splitlines(keepends=True)
    fields = json.loads(text[number - 1]) | changes
    del fields["crc32"]
    content = json.dumps(fields, separators=(",", ":"))[:-1]
    text[number - 1] = f'{content},"crc32":"{zlib.crc32(content.encode()):08x}"}}\n'
    path.write_text("".join(text))


def failed(project, *sentences, cells=4):
    """Replay, and expect one sentence for all cells that fail."""
    result = project.run()
    result.assert_outcomes(failed=cells, passed=4 - cells)
    result.stdout.no_fnmatch_line("*Traceback*")
    for sentence in sentences:
        result.stdout.fnmatch_lines([f"*{sentence}*"])
    assert project.loopback.asked == []


def behind(project, *sentences):
    """Replay, and expect one sentence that does not fail a cell."""
    result = project.run()
    result.assert_outcomes(passed=4)
    for sentence in sentences:
        result.stdout.fnmatch_lines([f"*{sentence}*"])


def test_a_replay_without_the_data_gives_the_same_results(recorded):
    recorded.run("--results", "before").assert_outcomes(passed=4)
    recorded.take_data_away()
    result = recorded.run("--results", "after")
    result.assert_outcomes(passed=4)
    assert recorded.loopback.asked == []
    before, after = recorded.document("before"), recorded.document("after")
    assert after["experiments"] != before["experiments"]
    for document in (before, after):
        (about,) = document["experiments"]
        assert about.pop("checked_against_data") == (document is before)
        # Where an item is in the user's file is known with the file alone.
        assert (about.pop("places") is not None) == (document is before)
    assert after == before
    assert after["experiments"][0]["groups"] == [0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_it_is_said_once_in_terminal_summary_and_page(recorded):
    recorded.take_data_away()
    result = recorded.run("--results", "out")
    said = [line for line in result.outlines if line.startswith(NOTE[:40])]
    assert len(said) == 1
    for name in ("summary.md", "report.html"):
        assert (recorded.root / "out" / name).read_text().count(NOTE[:40]) == 1


def test_with_the_data_nothing_is_said_of_it(recorded):
    result = recorded.run("--results", "out")
    result.stdout.no_fnmatch_line("Prompts not checked*")
    assert "not checked" not in (recorded.root / "out" / "summary.md").read_text()


def test_the_items_hold_what_a_replay_needs_and_no_text(recorded):
    header, *items = lines(recorded.items)
    assert (header["items"], header["experiment"], header["rows"]) == (1, "films", 10)
    assert sorted(header["prompts"]) == ["0shot", "bare"]
    assert list(header["files"]) == ["8"]
    assert [item["label"] for item in items] == [0, 1] * 5
    answered = {row["prompt"]: row["item"] for row in rows(recorded.cassettes / "m-ft8.jsonl")}
    for item in items:
        assert answered[item["prompts"]["bare"]] == item["item"]
    text = recorded.items.read_text()
    assert not any(word in text for word in ("film,", "critic 1", "Classify"))


def test_the_items_name_no_prompts_that_no_cell_has(recorded):
    recorded.edit("train_sizes = [8]\n", "")
    recorded.record().assert_outcomes(passed=2)
    header, first, *_ = lines(recorded.items)
    assert (list(header["prompts"]), list(header["files"])) == (["0shot"], [])
    assert list(first["prompts"]) == ["0shot"]


def test_cells_recorded_one_by_one_are_all_in_the_items(project, recorded):
    whole = recorded.items.read_bytes()
    recorded.items.unlink()
    for only in ("0shot and not logprobs", "ft8", "logprobs"):
        project.record("-k", only)
    assert recorded.items.read_bytes() == whole


def test_a_smaller_test_size_replays_without_the_data(recorded):
    recorded.take_data_away()
    recorded.edit("test_size = 10", "test_size = 6")
    recorded.run("--results", "out").assert_outcomes(passed=4)
    assert {cell["n"] for cell in recorded.results("out")} == {6}


def test_a_larger_test_size_needs_the_data(recorded):
    recorded.take_data_away()
    recorded.edit("test_size = 10", "test_size = 11")
    failed(
        recorded,
        "[[]task] test_size: 11 is more than the 10 test rows of *items.jsonl, and the data set "
        "'films.csv' is not on this machine*; lower it to 10 or less, or record where the data "
        "set is.",
    )


def test_without_data_and_items_the_error_names_both(recorded):
    recorded.take_data_away()
    recorded.items.unlink()
    failed(
        recorded,
        "films.csv: the file cannot be read (No such file or directory)*; check its path, or add "
        "cassettes/films/items.jsonl, with which a replay needs no data set.",
    )


def test_without_the_data_nothing_is_recorded(recorded):
    recorded.take_data_away()
    result = recorded.record()
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(["*films.csv: the file cannot be read *; check its path."])
    assert recorded.loopback.asked == []


def test_a_missing_answer_is_named_by_its_item(recorded):
    recorded.take_data_away()
    path = recorded.cassettes / "m-0shot.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    item = lines(recorded.items)[-1]["item"]
    failed(recorded, f"m-0shot, item {item}: *m-0shot.jsonl has no answer to this*", cells=1)


def test_a_damaged_answer_is_named_by_its_line(recorded):
    recorded.take_data_away()
    path = recorded.cassettes / "m-0shot.jsonl"
    path.write_text(path.read_text().replace(" Nega", " Posi", 1))
    failed(recorded, "m-0shot.jsonl, line 6: the line is damaged *", cells=1)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("test_size = 10", "seed = 7\ntest_size = 10", "seed in [[]task] is 7, and was 0 when the "
         "items were written (4 cells*); undo that change, or write the file again with "
         "`tunebench cassettes items *"),
        ('["Negative", "Positive"]', '["Positive", "Negative"]', "labels in [[]task] is "
         "[[]'Positive', 'Negative'], and was [[]'Negative', 'Positive'] when*"),
        ('"films.csv"', '"movies.csv"', "dataset in [[]task] is 'movies.csv', and was*"),
    ],
)  # fmt: skip
def test_another_task_is_refused_without_the_data(old, new, sentence, recorded):
    recorded.take_data_away()
    recorded.edit(old, new)
    failed(recorded, f"items.jsonl: {sentence}")


def test_another_instruction_is_refused_without_the_data(recorded):
    recorded.take_data_away()
    recorded.edit("Classify following", "Classify the following")
    failed(recorded, "the instruction of 0shot is another one than in *items.jsonl*", cells=2)


def test_other_training_options_are_refused_without_the_data(recorded):
    recorded.take_data_away()
    recorded.edit("n_epochs = 2", "n_epochs = 3")
    failed(recorded, "jobs/m-ft8.jsonl holds another job than the one this is*", cells=2)


def test_a_kind_of_prompt_that_the_items_lack_is_named(recorded):
    recorded.take_data_away()
    rewrite(recorded.items, 2, prompts={})
    failed(
        recorded,
        "items.jsonl has no prompts of 0shot for 1 of 10 items, and the data set 'films.csv' is "
        "not on this machine (2 cells*",
    )


# With the data, the items must be of it.


def test_a_label_that_was_changed_in_the_data_leaves_the_file_behind(recorded):
    changed = list(films(12, 500, "test"))
    changed[2] = (changed[2][0], "Positive", changed[2][2])
    recorded.write(rows=changed)
    item = lines(recorded.items)[3]["item"]
    behind(
        recorded,
        f"items.jsonl, item {item}: the label is 'Negative', and 'Positive' in the data "
        "(held_out.csv, line 4); write the file again with `tunebench cassettes items *`, or "
        "record, where the data set is (4 cells*",
    )
    assert main(["cassettes", "items", str(recorded.toml)]) == 0
    recorded.run().assert_outcomes(passed=4)


def test_other_rows_in_the_data_leave_the_file_behind(recorded):
    made = list(films(12, 500, "test"))
    recorded.write(rows=[made[1], made[0], *made[2:]])
    first, second = (line["item"] for line in lines(recorded.items)[1:3])
    behind(recorded, f"items.jsonl: held_out.csv, line 2 is asked where the file has item {first}*")
    assert first != second


def test_other_groups_in_the_data_leave_the_file_behind(recorded):
    made = list(films(12, 500, "test"))
    recorded.write(rows=[*made[:9], (made[9][0], made[9][1], "another"), *made[10:]])
    behind(recorded, "items.jsonl: the items are in other groups than in the data*")


def test_fewer_items_than_are_asked_leave_the_file_behind(recorded):
    text = recorded.items.read_text().splitlines(keepends=True)
    recorded.items.write_text("".join(text[:-1]))
    rewrite(recorded.items, 1, rows=9)
    behind(recorded, "items.jsonl has 9 items where 10 are asked*")


def test_other_prompts_in_the_items_are_an_error(recorded):
    first = lines(recorded.items)[1]
    rewrite(recorded.items, 2, prompts=first["prompts"] | {"0shot": "0" * 64})
    failed(
        recorded,
        f"item {first['item']}: the prompt of 0shot is another one than the data makes now "
        "(held_out.csv, line 2) (2 cells*",
        cells=2,
    )


def test_other_training_files_in_the_items_are_an_error(recorded):
    rewrite(recorded.items, 1, files={"8": [[6, "0" * 64], [2, "1" * 64]]})
    failed(recorded, "the training files of 8 rows are others than the data makes now*", cells=2)


def test_recording_writes_the_items_again(recorded):
    whole = recorded.items.read_bytes()
    rewrite(recorded.items, 2, label=1)
    recorded.record().assert_outcomes(passed=4)
    assert recorded.items.read_bytes() == whole
    assert recorded.loopback.asked == []


# A file that cannot be used.


def test_a_damaged_line_is_named(recorded):
    text = recorded.items.read_text().splitlines(keepends=True)
    text[4] = text[4].replace('"label":1', '"label":0')
    recorded.items.write_text("".join(text))
    for _ in ("with the data", "without"):
        failed(
            recorded,
            "items.jsonl, line 5: the line is damaged (its checksum is not that of its content) (4 "
            "cells*); restore the file from version control, or write it again with `tunebench "
            "cassettes items`, where the data set is.",
        )
        if (recorded.toml.parent / "films.csv").exists():
            recorded.take_data_away()


@pytest.mark.parametrize(
    ("line", "changes", "sentence"),
    [
        (1, {"items": 0}, "the file has format version 0 and this tunebench reads version 1*"),
        (1, {"rows": 11}, "the file has 10 of its 11 items*"),
        (1, {"files": {"8": [["x", 1]]}}, "line 1: the line is damaged (its fields are not those*"),
        (1, {"experiment": "pets"}, "the items belong to the experiment 'pets', not to 'films'*"),
        (3, {"item": "\ud800"}, "line 3: the line is damaged (the field item is not of its kind)*"),
        (3, {"label": -1}, "line 3: the line is damaged (the field label is not of its kind)*"),
        (3, {"prompts": {"0shot": "short"}}, "line 3: *the field prompts is not of its kind*"),
        (3, {"role": "other"}, "line 3: *the field role is not of its kind*"),
        (3, {"text": "a film"}, "line 3: *its fields are not those of an item*"),
    ],
)
def test_what_is_no_items_file_is_refused(line, changes, sentence, recorded):
    rewrite(recorded.items, line, **changes)
    recorded.take_data_away()
    failed(recorded, f"items.jsonl*{sentence}")


def test_an_item_that_is_there_twice_is_refused(recorded):
    twice = lines(recorded.items)[1]["item"]
    rewrite(recorded.items, 3, item=twice)
    failed(recorded, f"items.jsonl: the item '{twice}' is there twice*")


# The commands.


def test_the_command_writes_what_a_recording_writes(recorded, capsys, monkeypatch):
    monkeypatch.chdir(recorded.root)
    whole = recorded.items.read_bytes()
    recorded.items.unlink()
    assert main(["cassettes", "items"]) == 0
    assert capsys.readouterr().out.endswith("cassettes/films/items.jsonl: 10 items, no text\n")
    assert recorded.items.read_bytes() == whole
    assert recorded.loopback.asked == []


def test_the_command_names_cells_that_are_not_recorded(recorded, capsys, monkeypatch):
    monkeypatch.chdir(recorded.root)
    (recorded.cassettes / "m-0shot.jsonl").unlink()
    assert main(["cassettes", "items", "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["items"]
    assert found["items"] == 10
    (problem,) = found["problems"]
    assert problem.startswith("m-0shot, request 'POST tokenize': there is no cassette in ")


def test_the_command_needs_the_data(recorded, capsys, monkeypatch):
    monkeypatch.chdir(recorded.root)
    recorded.take_data_away()
    whole = recorded.items.read_bytes()
    assert main(["cassettes", "items"]) == 2
    assert "the data set 'films.csv' is not on this machine" in capsys.readouterr().err
    assert recorded.items.read_bytes() == whole


def test_cassettes_are_verified_without_the_data(recorded, capsys, monkeypatch):
    monkeypatch.chdir(recorded.root)
    assert main(["cassettes", "verify"]) == 0
    assert capsys.readouterr().out == "6 of 6 cassettes are sound.\n"
    recorded.take_data_away()
    assert main(["cassettes", "verify"]) == 0
    *note, last = capsys.readouterr().out.splitlines()
    said = " ".join(line.strip() for line in note)
    assert said.endswith("is not on this machine, so no cassette was searched for texts.")
    assert last == "6 of 6 cassettes are sound."


# Other kinds of prompts.


def test_labels_that_share_a_token_replay_without_the_data(project):
    project.edit('["Negative", "Positive"]', '["Very bad", "Very good"]')
    project.edit('["text", "label_logprobs"]', '["label_logprobs"]')
    for name in ("films.csv", "held_out.csv"):
        path = project.toml.parent / name
        text = path.read_text().replace("Negative", "Very bad").replace("Positive", "Very good")
        path.write_text(text)

    def complete(asked):
        said = project.loopback.complete(asked)
        for choice, prompt in zip(said.body.get("choices", ()), asked.prompts, strict=False):
            top = {" bad": -1.0, " good": -0.5 if "fine" in prompt else -1.5}
            choice["logprobs"] = {"tokens": [" x"], "top_logprobs": [top]}
        return said

    project.jobs.complete = complete
    project.record("--results", "before").assert_outcomes(passed=2)
    assert sorted(lines(project.items)[0]["prompts"]) == [
        "0shot",
        "0shot+ Very",
        "bare",
        "bare+ Very",
    ]
    project.take_data_away()
    project.run("--results", "after").assert_outcomes(passed=2)
    assert project.results("after") == project.results("before")
    assert project.results("after")[0]["accuracy"] == 1.0


def test_chats_replay_without_the_data(project, said):
    project.edit("retries = 0", 'retries = 0\nendpoint = "chat"')
    project.edit('["text", "label_logprobs"]', '["text"]')
    project.edit("shots = [0]", "shots = [0, 2]")

    def chat(asked):
        if asked.path == "/tokenize":
            return project.loopback.complete(asked)
        positive = "fine" in asked.fields["messages"][-1]["content"]
        message = {"role": "assistant", "content": VERDICTS[positive]}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return said({"model": asked.fields["model"], "choices": [choice]})

    project.jobs.complete = chat
    project.record("--results", "before").assert_outcomes(passed=3)
    header = lines(project.items)[0]
    assert sorted(header["prompts"]) == ["chat-0shot", "chat-2shot"]
    assert list(header["files"]) == ["chat-8"]
    project.take_data_away()
    project.run("--results", "after").assert_outcomes(passed=3)
    assert project.results("after") == project.results("before")


def test_wordings_draws_and_seeds_replay_without_the_data(project):
    project.edit('decision_rules = ["text", "label_logprobs"]', "example_draws = [0, 1]")
    project.edit("shots = [0]", 'shots = [0, 2]\ninstructions = { plain = "Say it", terse = "So" }')
    project.edit("n_epochs = 2", "n_epochs = 2\nseeds = [0, 1]")
    project.record("--results", "before").assert_outcomes(passed=8)
    kinds = ["0shot-plain", "0shot-terse", "2shot-plain-draw0", "2shot-plain-draw1"]
    kinds += ["2shot-terse-draw0", "2shot-terse-draw1", "bare"]
    assert sorted(lines(project.items)[0]["prompts"]) == kinds
    project.take_data_away()
    project.run("--results", "after").assert_outcomes(passed=8)
    assert project.results("after") == project.results("before")


@pytest.mark.parametrize("method", ["labelled", "content_free"])
def test_calibrated_cells_replay_without_the_data(method, project):
    project.edit('["text", "label_logprobs"]', '["calibrated", "label_logprobs"]')
    project.edit("train_sizes = [8]", "")
    calibration = {"labelled": "rows = 6", "content_free": 'method = "content_free"'}[method]
    project.edit("[fine_tuning]", f"[calibration]\n{calibration}\n\n[fine_tuning]")
    project.record("--results", "before").assert_outcomes(passed=2)
    further = [line for line in lines(project.items)[1:] if line.get("role") == "calibration"]
    if method == "labelled":
        assert (len(further), {line["label"] for line in further}) == (6, {0, 1})
    else:
        assert [line["label"] for line in further] == [None] * 3
    whole = project.items.read_bytes()
    assert main(["cassettes", "items", str(project.toml)]) == 0
    assert project.items.read_bytes() == whole
    project.take_data_away()
    project.run("--results", "after").assert_outcomes(passed=2)
    assert project.results("after") == project.results("before")
    project.run("-k", "calibrated", "--results", "alone").assert_outcomes(passed=1, deselected=1)
    if method == "labelled":
        project.edit("rows = 6", "rows = 7")
        result = project.run()
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(
            ["*items.jsonl does not have the 7 labelled rows to calibrate with, and the data set*"]
        )


def test_other_rows_to_calibrate_with_are_an_error(project):
    project.edit('["text", "label_logprobs"]', '["calibrated", "label_logprobs"]')
    project.edit("train_sizes = [8]", "")
    project.edit("[fine_tuning]", "[calibration]\nrows = 6\n\n[fine_tuning]")
    project.record().assert_outcomes(passed=2)
    number, row = next(
        (number, line)
        for number, line in enumerate(lines(project.items), 1)
        if line.get("role") == "calibration"
    )
    rewrite(project.items, number, label=1 - row["label"])
    result = project.run()
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines([f"*item {row['item']}: the label is *in the data (films.csv, *"])


def test_a_prepared_set_that_was_never_downloaded_replays(recorded_films, monkeypatch, tmp_path):
    recorded_films.run("--results", "before").assert_outcomes(passed=4)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setattr("tunebench.datasets.imdb.package_is_here", lambda: False)
    recorded_films.run("--results", "after").assert_outcomes(passed=4)
    assert recorded_films.results("after") == recorded_films.results("before")


def evaluated(project, record="none"):
    cells = [cell for cell in Experiment.read(project.toml).cells if not cell.train_size]
    with closing(Runner(record)) as runner:
        return [runner.evaluate(cell, "record it") for cell in cells]


def test_many_items_are_written_and_compared_one_by_one(project, monkeypatch):
    evaluated(project, "missing")
    usual = project.items.read_bytes()
    monkeypatch.setattr(many_items, "MANY", 1)
    with monkeypatch.context() as patched:  # the whole file is read nowhere
        patched.setattr(items_writing, "read_items", None)
        evaluated(project, "missing")
        assert project.items.read_bytes() == usual
        project.items.unlink()
        evaluated(project, "missing")
        assert project.items.read_bytes() == usual
        assert [result.items_behind for result in evaluated(project)] == [None, None]


def test_many_items_that_differ_are_told_as_few_are(project, monkeypatch):
    evaluated(project, "missing")
    rewrite(project.items, 3, label=0)
    few = [result.items_behind for result in evaluated(project)]
    monkeypatch.setattr(many_items, "MANY", 1)
    assert [result.items_behind for result in evaluated(project)] == few
    assert "the label is 'Negative', and 'Positive' in the data" in few[0]
    rewrite(project.items, 3, prompts={"0shot": "0" * 64})
    with pytest.raises(CellError, match="the prompt of 0shot is another one than the data makes"):
        evaluated(project)
    project.items.write_bytes(project.items.read_bytes().replace(b"critic", b"Critic")[:-9])
    with pytest.raises(CellError, match="the line is damaged"):
        evaluated(project)
