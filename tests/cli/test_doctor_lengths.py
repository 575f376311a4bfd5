"""``tunebench doctor --max-tokens-in``: the ``max_chars`` that a number of tokens asks for."""

import csv
import json
import re
import tomllib

import pytest

from tunebench import Experiment
from tunebench.cli import main
from tunebench.evaluation import test_rows as rows_of_test
from tunebench.evaluation import train_rows

from ..api.scripted_provider import PROVIDERS, Scripted
from ..experiment_example import EXAMPLE

ROWS = 80
# Letters a token: texts with digits take more tokens than others of their length.
PIECES = {"meta/Llama-7B": r"[a-z]{1,4}|\d|[^\sa-z\d]", "other": r"\w{1,3}|\S"}


def tokens(text, model="meta/Llama-7B"):
    return re.findall(PIECES[model], text)


@pytest.fixture
def doctor(capsys):
    def doctor(*args):
        code = main(["doctor", *map(str, args)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return doctor


@pytest.fixture
def serve(loopback, said):
    """Answer as vLLM does, with ``/tokenize`` by the model's pieces."""

    def serve(name="vllm"):
        scripted = Scripted(said, name, *PROVIDERS[name])

        def answer(asked):
            if name == "vllm" and asked.path == "/tokenize":
                found = tokens(asked.fields["prompt"], asked.fields["model"])
                return said({"tokens": list(range(len(found)))})
            return scripted.answer(asked)

        loopback.answer = answer

    return serve


def texts(count=ROWS):
    made = []
    for i in range(count):
        text = f"{i} is a ticket, which says {i}"
        made.append(text + (" and 1 2 3 more of it" * 8 + f" until {i}") * (i % 4 == 1))
    return made


@pytest.fixture
def project(tmp_path, loopback):
    """An experiment with a table of its own, at the provider on this machine."""

    def project(keys="", *, rows=None, models=("meta/Llama-7B",), provider="supports = []"):
        with (tmp_path / "tickets.csv").open("w", encoding="utf-8", newline="") as file:
            labelled = [(t, ("Negative", "Positive")[i % 2]) for i, t in enumerate(rows or texts())]
            csv.writer(file).writerows([("text", "label"), *labelled])
        text = EXAMPLE[: EXAMPLE.index("[[model]]")]
        text = text.replace('dataset = "imdb_reviews"', 'dataset = "tickets.csv"')
        text = text.replace("test_size = 100", f"test_size = 10\n{keys}")
        text = text.replace("http://127.0.0.1:8017/v1", loopback.url)
        text = text.replace('endpoint = "completions"', provider)
        for i, model in enumerate(models):
            text += f'[[model]]\nname = "m{i}"\nprovider = "local"\nid = "{model}"\n'
        path = tmp_path / "experiment.toml"
        path.write_text(text + "[matrix]\nshots = [0]\n")
        return path

    return project


def used(path):
    """The texts that an experiment uses."""
    experiment = Experiment.read(path)
    return [*rows_of_test(experiment)["text"], *train_rows(experiment)["text"]]


@pytest.mark.parametrize("keep", ["start", "end"])
@pytest.mark.parametrize("most", [14, 20, 40])
def test_no_text_has_more_tokens_with_what_is_printed(doctor, serve, project, keep, most) -> None:
    serve()
    keys = 'max_chars = 5000\nkeep = "end"' if keep == "end" else ""
    path = project(keys)
    before = used(path)
    longer = [len(tokens(text)) for text in before if len(tokens(text)) > most]
    code, out, err = doctor(path, "--max-tokens-in", most)
    assert (code, err) == (1, "")
    assert f"{len(longer)} have more than {most} tokens, up to {max(longer)}; " in out
    printed = out[out.rindex("[task]\nmax_chars") :]
    table = tomllib.loads(printed[: printed.index("\n\n")])["task"]
    path = project(f'max_chars = {table["max_chars"]}\nkeep = "{keep}"')
    after = used(path)
    assert 0.6 * most < max(len(tokens(text)) for text in after) <= most
    cut = sum(a != b for a, b in zip(before, after, strict=True))
    assert f"  # cuts {cut} of {len(before)} texts\n" in printed
    code, out, _ = doctor(path, "--max-tokens-in", most)
    assert code == 0
    assert out.endswith(
        f"No text has more than {most} tokens with max_chars = {table['max_chars']}.\n"
    )


def test_a_limit_that_no_text_reaches_asks_for_nothing(doctor, serve, project, loopback) -> None:
    serve()
    code, out, err = doctor(project(), "--max-tokens-in", 4000)
    assert (code, err) == (0, "")
    assert out.endswith("No text has more than 4,000 tokens.\n")
    # Only the question whether there is /tokenize: such short texts need not be counted.
    assert [a.fields["prompt"] for a in loopback.asked if a.path == "/tokenize"] == [" one"]


def test_the_text_that_decides_is_named_by_its_row(doctor, serve, project) -> None:
    serve()
    dense = "9 " * 50 + "end"
    rows = [*texts(40), dense, *texts(80)[40:]]
    _, out, _ = doctor(project(rows=rows, keys="training_rows = 60"), "--max-tokens-in", 30)
    assert "tickets.csv, line 42" in out


def test_one_limit_holds_for_every_model(doctor, serve, project) -> None:
    serve()
    path = project(models=("meta/Llama-7B", "other"))
    _, out, _ = doctor(path, "--max-tokens-in", 20, "--json")
    lengths = json.loads(out)["lengths"]
    assert (lengths["models"], lengths["not_counted"]) == (["meta/Llama-7B", "other"], [])
    path = project(f"max_chars = {lengths['max_chars']}")
    assert max(len(tokens(text, model)) for text in used(path) for model in PIECES) <= 20
    _, out, _ = doctor(path, "--max-tokens-in", 20, "--json", "--model", "other")
    lengths = json.loads(out)["lengths"]
    assert (lengths["models"], lengths["not_counted"]) == (["other"], ["m0"])


def test_without_the_option_no_text_is_sent(doctor, serve, project, loopback) -> None:
    serve()
    path = project()
    doctor(path)
    sent = json.dumps([a.fields for a in loopback.asked if a.body])
    assert not any(text in sent for text in texts())
    assert doctor(path, "--json")[1].endswith('"lengths": null}\n')


def test_a_provider_that_does_not_tokenize_cannot_count(doctor, serve, project) -> None:
    serve("openai")
    path = project(models=("gpt-4.1",), provider='endpoint = "chat"\nsupports = []')
    code, _, err = doctor(path, "--max-tokens-in", 20)
    assert code == 2
    assert err == (
        f"tunebench: {path}: no provider that was asked has /tokenize, so that nothing counts "
        "tokens; set max_chars in [task] by an estimate, such as 3 characters a token.\n"
    )


def test_texts_that_would_be_the_same_are_refused(doctor, serve, project) -> None:
    serve()
    begin = "the same words until here and then there is"
    path = project(rows=[*texts(), f"{begin} one", f"{begin} two"])
    code, _, err = doctor(path, "--max-tokens-in", 6)
    assert code == 2
    assert err.startswith(f"tunebench: {path}: --max-tokens-in 6 is too little: with max_chars = ")
    assert " two texts are the same (tickets.csv, line " in err
    assert err.endswith("; give more, or take a row out.\n")


def test_a_character_of_more_tokens_than_the_limit_is_refused(
    doctor, serve, project, loopback, said
) -> None:
    serve()
    answer = loopback.answer

    def bytes_of(asked):
        if asked.path == "/tokenize":
            return said({"tokens": list(asked.fields["prompt"].encode())})
        return answer(asked)

    loopback.answer = bytes_of
    rows = ["日本語の文章" + chr(0x4E00 + i) for i in range(ROWS)]
    code, _, err = doctor(project(rows=rows), "--max-tokens-in", 2)
    assert (code, err) == (
        2,
        "tunebench: --max-tokens-in 2 is less than the tokens of a single character; give more.\n",
    )


@pytest.mark.parametrize("given", ["0", "-1", "many", "1.5", "true"])
def test_a_limit_is_a_whole_number(doctor, project, loopback, given) -> None:
    code, out, err = doctor(project(), f"--max-tokens-in={given}")
    assert (code, out) == (2, "")
    assert f"must be a whole number of at least 1, not '{given}'" in err
    assert loopback.asked == []


def test_a_url_has_no_texts(doctor, loopback) -> None:
    code, out, err = doctor(loopback.url, "--max-tokens-in", 20)
    assert (code, out) == (2, "")
    assert err == (
        "tunebench: --max-tokens-in counts the tokens of an experiment's texts, and a URL has "
        "none; give the experiment instead of the URL.\n"
    )
    assert loopback.asked == []


def test_the_key_that_a_task_does_not_have_is_explained(doctor, project, loopback) -> None:
    path = project("max_tokens_in = 20")
    code, _, err = doctor(path)
    assert code == 2
    assert err == (
        f"tunebench: {path}: [task]: unknown key 'max_tokens_in'; texts are cut by max_chars, "
        "which `tunebench doctor` finds with --max-tokens-in.\n"
    )


def test_missing_data_is_said_before_anything_is_sent(doctor, serve, project, loopback) -> None:
    serve()
    path = project()
    (path.parent / "tickets.csv").unlink()
    code, out, err = doctor(path, "--max-tokens-in", 20)
    assert (code, out) == (2, "")
    assert "tickets.csv" in err
    assert loopback.asked == []
