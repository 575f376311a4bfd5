"""``tunebench cassettes diff``: two recordings of one experiment."""

import json
import shutil

import pytest

from tunebench.cli import main

from ..cassette_lines import change_requests, rows

SAME = {"only_old": [], "only_new": [], "changed": []}


@pytest.fixture
def diff(two_rules, recordings, capfd):
    """Compare the recording with a copy made before: exit code, output and error."""
    two_rules.edit('[[model]]\nname = "two"\nprovider = "standin"\n', "")
    two_rules.edit("shots = [0, 1]", "shots = [0]")
    two_rules.write_test(
        '@pytest.mark.parametrize("cell", experiment.cells, ids=str)\n'
        "def test_it(cell, evaluate):\n    evaluate(cell)\n"
    )
    recordings.record(two_rules, passed=2)
    new = two_rules.root / "cassettes/small"
    old = two_rules.root / "before"
    shutil.copytree(new, old)

    def run(*options, old=old, new=new):
        capfd.readouterr()
        code = main(["cassettes", "diff", str(old), str(new), *options])
        return code, *capfd.readouterr()

    def found():
        code, out, err = run("--json")
        document = json.loads(out)
        assert (code, err) == (int(not document["same"]), "")
        assert (document["old"], document["new"]) == (str(old), str(new))
        return {one.pop("cassette"): one for one in document["cassettes"]}

    stored = rows(old / "one-0shot.jsonl")
    run.items = [row["item"] for row in stored if row["item"] is not None]
    run.project, run.old, run.new, run.found = two_rules, old, new, found
    return run


def answer_anew(diff, change):
    """Record again; `change` is given each choice and its position."""
    before = diff.project.loopback.answer

    def answer(asked):
        said = before(asked)
        for position, choice in enumerate(said.body.get("choices", ())):
            change(choice, position)
        return said

    diff.project.loopback.answer = answer
    diff.project.run("--record=all").assert_outcomes(passed=2)


def test_recordings_that_differ_in_their_times_alone_are_the_same(diff):
    answer_anew(diff, lambda choice, position: None)
    names = ("one-0shot.jsonl", "one-0shot-label_logprobs.jsonl")
    assert [(diff.old / n).read_bytes() != (diff.new / n).read_bytes() for n in names] == [1, 1]
    assert diff() == (0, "2 of 2 cassettes are the same.\n", "")
    assert diff.found() == dict.fromkeys(names, SAME)


def test_changed_texts_and_logprobs_are_shown_by_item(diff):
    def change(choice, position):
        if position == 3:
            choice["text"] = " Posi"
            if "logprobs" in choice:
                choice["logprobs"]["top_logprobs"][0][" Negative"] = -9.5

    answer_anew(diff, change)
    items = [diff.items[i] for i in (3, 23, 43)]
    found = diff.found()
    texts = [{"of": item, "what": "text", "old": " Nega", "new": " Posi"} for item in items]
    assert found["one-0shot.jsonl"] == SAME | {"changed": texts}
    changed = found["one-0shot-label_logprobs.jsonl"]["changed"]
    assert [one for one in changed if one["what"] == "text"] == texts
    old, new = ({" Negative": logprob, " Positive": -0.1} for logprob in (-2.4, -9.5))
    assert [one for one in changed if one["what"] != "text"] == [
        {"of": item, "what": "logprobs", "old": old, "new": new} for item in items
    ]
    code, out, _ = diff()
    assert code == 1
    assert f"one-0shot.jsonl:\n  text of 3 changed\n    {items[0]}: ' Nega' -> ' Posi'\n" in out
    assert out.endswith("0 of 2 cassettes are the same.\n")


def test_other_parameters_and_another_server_are_shown(diff):
    path = diff.new / "one-0shot.jsonl"

    def change(fields):
        fields["server"] = "loopback-2"
        if "temperature" in fields["parameters"]:
            fields["parameters"]["temperature"] = 1

    change_requests(path, change)
    changed = diff.found()["one-0shot.jsonl"]["changed"]
    servers = [one for one in changed if one["what"] == "server"]
    parameters = [one for one in changed if one["what"] == "parameters"]
    assert len(changed) - len(servers) == len(parameters) == 45
    assert (parameters[0]["old"]["temperature"], parameters[0]["new"]["temperature"]) == (0, 1)
    # The requests for token ids are told apart from texts, by endpoint and key.
    assert (servers[-1]["old"], servers[-1]["new"]) in (
        ("loopback", "loopback-2"),
        ("", "loopback-2"),
    )


def test_items_are_compared_also_where_they_came_in_other_requests(diff):
    diff.project.edit("[[model]]", 'supports = ["logprobs", "logit_bias", "tokenize"]\n\n[[model]]')
    diff.project.run("--record=all").assert_outcomes(passed=2)
    assert len((diff.new / "one-0shot.jsonl").read_text().splitlines()) > 40
    assert diff()[0] == 0


def test_what_only_one_has_is_named_and_no_text_is(diff):
    diff.project.edit("test_size = 45", "test_size = 41")
    diff.project.run("--record=all").assert_outcomes(passed=2)
    (diff.new / "one-0shot-label_logprobs.jsonl").unlink()
    found = diff.found()
    items = diff.items
    assert found["one-0shot.jsonl"] == SAME | {"only_old": items[41:]}
    gone = found["one-0shot-label_logprobs.jsonl"]
    assert [name for name in gone["only_old"] if "/" in name] == items
    assert [name.split(" (")[0] for name in gone["only_old"][:2]] == ["POST tokenize"] * 2
    code, out, _ = diff()
    assert code == 1
    assert f"only in OLD: {', '.join(items[41:])}\n" in out
    code, out, _ = diff(old=diff.new, new=diff.old)
    assert f"only in NEW: {', '.join(items[41:])}\n" in out


def test_two_files_are_compared_under_the_first_ones_name(diff):
    old, new = diff.old / "one-0shot.jsonl", diff.new / "one-0shot-label_logprobs.jsonl"
    code, out, _ = diff(old=old, new=new)
    assert (code, out.splitlines()[0]) == (1, "one-0shot.jsonl:")
    assert "  parameters of 45 changed\n" in out
    assert "    and 40 more\n" in out
    assert diff(old=old, new=old)[0] == 0


def test_what_cannot_be_compared_is_a_sentence(diff):
    file = diff.new / "one-0shot.jsonl"
    empty = diff.project.root / "empty"
    empty.mkdir()
    for one, other, said in (
        (diff.old, file, "are a folder and a file; name two cassettes or two folders."),
        (diff.old, empty / "gone", "there is no such file or folder; fix the path."),
        (empty, empty, "hold no cassette; name the folders of two."),
        (file, diff.project.toml, "line 1: this is not a tunebench cassette"),
    ):
        code, out, err = diff(old=one, new=other)
        assert (code, out) == (2, "")
        assert said in err
