"""The local provider, over HTTP, against a plain transformers loop over the same prompts.

The yardstick is the loop that a good user writes: `generate` in bfloat16, eight prompts at a
time, padded on the left, logits of the last position only (which `generate` does by itself).
`plain-transformers-sorted` is the same with the prompts in order of length, which wastes less on
padding. Before every round of `server` the plain loop runs too, so that the ratio in its
`extra_info` compares times taken in turn. About nine minutes on two cores.
"""

import contextlib
import re
import statistics
import subprocess
import sys
import time

import openai
import pytest

from tunebench import datasets

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

MODEL = "smollm2-135m"
ROUNDS = 3
TEXTS = 100
LIST, BATCH = 20, 8


@pytest.fixture(scope="module")
def prompts():
    data = datasets.load("imdb_reviews")
    positive = data.train[data.train.label.isin([1, "Positive"])].text.iloc[0]
    head = f"Classify following sentence as Positive or Negative\n#####\n{positive} -> Positive\n"
    return [f"{head}#####\n{text} ->" for text in data.test.text.iloc[:TEXTS]]


@pytest.fixture(scope="module")
def plain(prompts):
    """The loop, and the number of the prompts' tokens."""
    import torch

    from tunebench.server.inference.models import ModelRegistry

    loaded = ModelRegistry({MODEL: MODEL}, torch.bfloat16).get(MODEL)
    model, tokenizer = loaded.network, loaded.tokenizer
    tokenizer.padding_side = "left"

    def loop(texts=prompts):
        answers = []
        for start in range(0, len(texts), BATCH):
            batch = tokenizer(texts[start : start + BATCH], padding=True, return_tensors="pt")
            with torch.inference_mode():
                ids = model.generate(**batch, max_new_tokens=1, do_sample=False)
            answers += tokenizer.batch_decode(ids[:, -1:])
        return answers

    return loop, [len(ids) for ids in tokenizer(prompts)["input_ids"]]


@contextlib.contextmanager
def serving(*options):
    command = [sys.executable, "-m", "tunebench.server", "--port", "0", "--model", MODEL]
    with subprocess.Popen(
        [*command, "--dtype", "bfloat16", *options], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            ready = process.stdout.readline()
            url = re.search(r"http://\S+", ready)[0]
            with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
                yield client
        finally:
            process.terminate()


def ask(client, prompts):
    answers = []
    for start in range(0, len(prompts), LIST):
        answer = client.completions.create(
            model=MODEL, prompt=prompts[start : start + LIST], max_tokens=1, temperature=0
        )
        answers += [choice.text for choice in answer.choices]
    return answers


def named(benchmark, case):
    """Give a case the name under which `--benchmark-json` lists it; before it runs."""
    benchmark.group, benchmark.name = "local-provider", case


def report(benchmark, lengths):
    seconds = benchmark.stats.stats.median
    benchmark.extra_info["tokens_per_second"] = round(sum(lengths) / seconds)
    return seconds


@pytest.mark.parametrize("options", [["--deterministic"], []], ids=["server", "server-batched"])
def test_server(benchmark, prompts, plain, options):
    loop, lengths = plain
    times, expected = [], []

    def plain_first():
        started = time.perf_counter()
        expected[:] = loop()
        times.append(time.perf_counter() - started)

    named(benchmark, "server" if options else "server-batched")
    with serving(*options) as client:
        ask(client, ["Loads the model ->"])
        if options:
            answers = benchmark.pedantic(
                ask, args=(client, prompts), setup=plain_first, rounds=ROUNDS
            )
            seconds = report(benchmark, lengths)
            benchmark.extra_info["ratio_to_plain"] = round(statistics.median(times) / seconds, 2)
            # Padding changes bfloat16's last bits, hence a near tie here and there.
            same = sum(a == b for a, b in zip(answers, expected, strict=True))
            assert same >= 0.95 * len(prompts)
        else:
            benchmark.pedantic(ask, args=(client, prompts), rounds=1)
            report(benchmark, lengths)


@pytest.mark.parametrize("ordered", [False, True], ids=["as-given", "sorted"])
def test_plain_transformers(benchmark, prompts, plain, ordered):
    loop, lengths = plain
    by_length = [text for _, text in sorted(zip(lengths, prompts, strict=True))]
    named(benchmark, "plain-transformers" + "-sorted" * ordered)
    benchmark.pedantic(loop, args=(by_length if ordered else prompts,), rounds=1)
    report(benchmark, lengths)
