"""``tunebench cassettes ls`` and ``verify``, on a recorded experiment and on what happens to it."""

import json

import pytest

from tunebench.cli import main

from ..cassette_lines import change_lines, change_requests, line_of, rows

TEXT = "a fine film, number 3 of the held-out ones"


@pytest.fixture
def cassettes(recorded_films, monkeypatch, capfd):
    """Run a command in the user's repository: its exit code, output and error."""
    monkeypatch.chdir(recorded_films.root)

    def run(*arguments):
        capfd.readouterr()
        code = main(["cassettes", *arguments])
        return code, *capfd.readouterr()

    run.films = recorded_films
    run.cell = recorded_films.cassettes / "m-0shot.jsonl"
    run.job = recorded_films.cassettes / "jobs/m-ft8.jsonl"
    return run


def states(cassettes):
    found = json.loads(cassettes("ls", "--json")[1])["cassettes"]
    return {row["recording"]: row["state"] for row in found}


def problems(cassettes, *arguments):
    code, out, err = cassettes("verify", "--json", *arguments)
    found = json.loads(out)
    told = [problem for one in found["cassettes"] for problem in one["problems"]]
    assert (code, found["problems"], err) == (int(bool(told)), len(told), "")
    return told


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_each_cassette_is_a_line_and_a_recorded_one_is_complete(cassettes):
    code, out, _ = cassettes("ls")
    header, *lines = out.split("\n\n")[0].splitlines()  # a wide table continues below
    assert (code, header.split()[:5]) == (
        0,
        ["experiment", "recording", "state", "rows", "bytes"],
    )
    assert [line.split()[1] for line in lines] == [
        *("m-ft8", "m-0shot", "m-0shot-label_logprobs", "m-ft8", "m-ft8-label_logprobs")
    ]
    assert set(states(cassettes).values()) == {"complete"}


@pytest.mark.parametrize("width", [60, 80, 139])
def test_its_table_fits_the_terminal_and_names_whole_cells(cassettes, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = cassettes("ls")[1].splitlines()
    assert max(map(len, lines)) <= min(width, 100)
    assert any("m-ft8-label_logprobs" in line for line in lines)


def test_scripts_read_what_a_cassette_holds(cassettes):
    found = json.loads(cassettes("ls", "--json", "benchmarks/films")[1])["cassettes"]
    (row,) = (row for row in found if row["recording"] == "m-0shot")
    stored = rows(cassettes.cell)
    assert row == {
        "experiment": "films",
        "cassette": str(cassettes.cell),
        "recording": "m-0shot",
        "state": "complete",
        "rows": len(stored),
        "first_recorded_at": stored[0]["recorded_at"],
        "last_recorded_at": stored[-1]["recorded_at"],
        "models": ["base"],
        "bytes": cassettes.cell.stat().st_size,
    }


def test_each_state_has_its_name(cassettes):
    films = cassettes.films
    films.edit("test_size = 10", "test_size = 12")
    (films.cassettes / "m-0shot-label_logprobs.jsonl").unlink()
    change(films.cassettes / "m-ft8-label_logprobs.jsonl", '"usage":[', '"usage":[7,')

    def fail(fields):
        if isinstance(fields.get("answer"), dict) and fields["answer"].get("status") == "succeeded":
            fields["answer"]["status"] = "failed"

    change_lines(cassettes.job, fail)
    (films.cassettes / "m-9shot.jsonl").write_bytes(cassettes.cell.read_bytes())
    cassettes.cell.with_name("m-0shot.jsonl.part").write_bytes(cassettes.cell.read_bytes())
    found = json.loads(cassettes("ls", "--json")[1])["cassettes"]
    assert [(row["recording"], row["state"]) for row in found] == [
        ("m-ft8 (job)", "failed"),
        ("m-0shot", "partial"),
        ("m-0shot", "unfinished"),
        ("m-0shot-label_logprobs", "missing"),
        ("m-ft8", "partial"),
        ("m-ft8-label_logprobs", "damaged"),
        ("m-0shot", "orphan"),
    ]


def test_what_was_recorded_is_sound(cassettes):
    code, out, err = cassettes("verify")
    # Four cells, a job, and the predictions of the rivals.
    assert (code, out, err) == (0, "6 of 6 cassettes are sound.\n", "")
    assert cassettes.films.loopback.asked == []


def test_a_cell_that_would_ask_something_else_now_is_told(cassettes):
    cassettes.films.edit("as Positive or Negative", "as Negative or Positive")
    prompted = problems(cassettes)
    assert len(prompted) == 2
    for cell, problem in zip(("m-0shot", "m-0shot-label_logprobs"), prompted, strict=True):
        assert problem.startswith(f"{cell}, item held-out/0, ")
        assert "differs in the text of the prompt (instruction, labels, examples or data" in problem
        assert "record it with `tunebench record`" in problem


def test_rows_that_nothing_asks_for_are_told_with_their_lines(cassettes):
    last = rows(cassettes.cell)[-1]
    with cassettes.cell.open("ab") as file:
        file.write(line_of(last | {"prompt": "0" * 64}))
    (problem,) = problems(cassettes)
    line = cassettes.cell.read_bytes().count(b"\n")
    assert problem == (
        f"{cassettes.cell}: 1 rows are not used (line {line}); remove them with `tunebench "
        "cassettes prune`."
    )


def test_a_recording_that_was_stopped_is_told(cassettes):
    lines = cassettes.job.read_text().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if '"status":"running"' in line)
    cassettes.job.write_text("".join(lines[: at + 1]))
    assert states(cassettes)["m-ft8 (job)"] == "partial"
    told = problems(cassettes)
    assert len(told) == 3  # the job's and its cells'
    assert all("was stopped while the job was running; record it" in one for one in told)


def test_a_torn_last_line_is_told_although_a_replay_drops_it(cassettes):
    with cassettes.cell.open("a") as file:
        file.write('{"prompt":"00')
    (problem,) = problems(cassettes)
    assert problem.startswith(f"{cassettes.cell}, line ")
    assert problem.endswith("it has no end; record again, or prune it.")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"experiment": "films"', '"experiment": "plays"', "belongs to the experiment 'plays'"),
        ('"cassette": 2', '"cassette": 3', "has format version 3"),
        ('"cassette": 2', '"cassette": 1', "with `tunebench cassettes upgrade`"),
        ('{"cassette"', '{"tape"', "this is not a tunebench cassette"),
        ('"latency_ms":', '"latency":', "its checksum is not that of its content"),
        ('{"prompt":"', '{"prompt":"G', "its checksum is not that of its content"),
        ('{"request":"', '["request":"', "its checksum is not that of its content"),
    ],
)
def test_a_line_that_is_not_as_it_should_be_is_told_with_its_number(cassettes, old, new, said):
    change(cassettes.cell, old, new)
    told = problems(cassettes)
    assert any(said in problem for problem in told), told
    assert all(problem.startswith((str(cassettes.cell), "m-0shot")) for problem in told)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("latency_ms", "fast", "the field latency_ms is not of its kind"),
        ("usage", [1], "the field usage is not of its kind"),
        ("prompts", 0, "the field prompts is not of its kind"),
        ("prompt", "0" * 63, "the field prompt is not of its kind"),
        ("request", "0" * 16, "no line before it describes its request"),
    ],
)
def test_a_row_of_another_form_is_told_although_its_checksum_is_right(
    cassettes, field, value, said
):
    last = rows(cassettes.cell)[-1]
    with cassettes.cell.open("ab") as file:
        file.write(line_of(last | {field: value}))
    told = problems(cassettes)
    line = cassettes.cell.read_bytes().count(b"\n")
    assert any(f"line {line}: {said}; restore" in problem for problem in told), told


def test_a_key_that_stands_twice_is_told_where_the_rows_differ(cassettes):
    last = rows(cassettes.cell)[-1]
    with cassettes.cell.open("ab") as file:
        file.write(line_of(last))
    assert problems(cassettes) == []
    with cassettes.cell.open("ab") as file:
        file.write(line_of(last | {"latency_ms": 9.0}))
    assert any("it has the key of line" in problem for problem in problems(cassettes))


@pytest.mark.parametrize("where", ["cell", "job"])
def test_a_text_of_the_data_set_is_found_and_not_shown(cassettes, where):
    path = getattr(cassettes, where)
    change_requests(path, lambda fields: fields.update(server=f"said {TEXT}"))
    told = problems(cassettes)
    assert any("the row holds a text of the data set" in problem for problem in told)
    assert not any(TEXT in problem for problem in told)


@pytest.mark.parametrize(
    "secret", ["sk-proj-abcdefghijklmnop1234", "Bearer abcdefgh12345678", "the-key-of-this-house"]
)
def test_what_looks_like_a_key_is_found_and_not_shown(cassettes, monkeypatch, secret):
    cassettes.films.edit("retries = 0", 'retries = 0\napi_key_env = "TUNEBENCH_TEST_KEY"')
    monkeypatch.setenv("TUNEBENCH_TEST_KEY", "the-key-of-this-house")
    change_requests(cassettes.cell, lambda fields: fields.update(server=secret))
    told = problems(cassettes)
    assert all("the row holds what looks like an API key" in problem for problem in told)
    assert told
    assert not any(secret in problem for problem in told)


def test_a_name_with_sk_in_it_is_no_key(cassettes):
    server = "ft:task-of-many-long-words-here"
    change_requests(cassettes.cell, lambda fields: fields.update(server=server))
    assert problems(cassettes) == []


def test_a_cassette_that_no_cell_uses_is_told(cassettes):
    cassettes.films.edit("train_sizes = [8]\n", "")
    told = problems(cassettes)
    assert len(told) == 3
    assert all("no cell uses it; remove it with `tunebench cassettes prune`" in t for t in told)


@pytest.mark.parametrize("command", ["ls", "verify", "prune"])
def test_a_folder_without_an_experiment_is_a_sentence(cassettes, command):
    code, out, err = cassettes(command, "cassettes")
    assert (code, out) == (2, "")
    assert err.startswith("tunebench: cassettes: there is no experiment.toml in or below it")


def test_items_whose_folder_cannot_be_made_are_a_sentence(cassettes):
    folder = cassettes.films.cassettes
    folder.rename(folder.with_name("elsewhere"))
    folder.parent.rename(folder.parent.with_name("elsewhere"))
    folder.parent.write_text("")
    code, _, err = cassettes("items")
    assert code == 2
    assert f"{folder.name}: the folder cannot be made (Not a directory); make the folder" in err
