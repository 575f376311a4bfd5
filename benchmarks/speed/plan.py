"""The arithmetic of a large matrix, as on the page `docs/explanation/scale.md`.

    python benchmarks/speed/plan.py [NAME=NUMBER ...]

Each input is measured by `benchmarks/speed/million.py` or is an assumption; any can be given
another value.
"""

import sys

# name: (value, where it comes from)
INPUTS: dict[str, tuple[float, str]] = {
    "models": (6, "the matrix"),
    "sizes": (5, "the matrix: training sizes 300, 1,000, 3,000, 10,000 and 30,000"),
    "seeds": (3, "the matrix"),
    "texts": (1_000_000, "the matrix: test texts a cell"),
    "list": (20, "a constant of tunebench: prompts a request"),
    "prompt_tokens": (100, "assumed: a prompt of a fine-tuned model is the text alone, 400 bytes"),
    "answer_tokens": (1, "a label that needs one token"),
    "trained_rows": (44_300, "the sum of the training sizes"),
    "epochs": (4, "assumed"),
    "gpu_tokens": (20_000, "assumed: prompt tokens a second of one GPU in lists"),
    "gpu_trained_tokens": (5_000, "assumed: trained tokens a second of one GPU"),
    "row_bytes": (292.8, "measured: a row as a line, 50,002 lines"),
    "sealed_bytes": (51.1, "measured: the same row in a shard"),
    "key_bytes": (24, "the format: a row in the index of a shard"),
    "item_bytes": (144, "measured: an item in items.jsonl with one kind of prompt"),
    "replay_us": (39, "measured: a text replayed, in lists"),
    "record_us": (190, "measured: a text recorded, with a mock provider on the same cores"),
}


def plan(inputs: dict[str, float]) -> dict[str, float]:
    """What the matrix takes; each line is one formula."""
    i = inputs
    cells = i["models"] * i["sizes"] * i["seeds"]
    texts = cells * i["texts"]
    prompt_tokens = texts * i["prompt_tokens"]
    trained = i["models"] * i["seeds"] * i["trained_rows"] * i["epochs"] * i["prompt_tokens"]
    sealed = i["texts"] * (i["sealed_bytes"] + i["key_bytes"])
    return {
        "cells": cells,
        "jobs": cells,
        "texts": texts,
        "requests": texts / i["list"],
        "prompt tokens, millions": prompt_tokens / 1e6,
        "answer tokens, millions": texts * i["answer_tokens"] / 1e6,
        "trained tokens, millions": trained / 1e6,
        "GPU hours to answer": prompt_tokens / i["gpu_tokens"] / 3600,
        "GPU hours to train": trained / i["gpu_trained_tokens"] / 3600,
        "cassette, plain, MB a cell": i["texts"] * i["row_bytes"] / 1e6,
        "cassette, sealed with indexes, MB a cell": sealed / 1e6,
        "cassettes, sealed, GB in all": cells * sealed / 1e9,
        "items.jsonl, MB": i["texts"] * i["item_bytes"] / 1e6,
        "recording, hours of one core": texts * i["record_us"] / 1e6 / 3600,
        "replay, seconds a cell": i["texts"] * i["replay_us"] / 1e6,
        "replay, hours in all, one core": texts * i["replay_us"] / 1e6 / 3600,
        "half width of a 95 % interval, accuracy 0.9": 1.96 * (0.9 * 0.1 / i["texts"]) ** 0.5,
    }


def tables(inputs: dict[str, float]) -> str:
    """Inputs and results as Markdown."""
    lines = ["| input | value | where it comes from |", "| --- | --- | --- |"]
    lines += [f"| `{name}` | {_given(inputs[name])} | {INPUTS[name][1]} |" for name in INPUTS]
    lines += ["", "| result | value |", "| --- | --- |"]
    lines += [f"| {name} | {_shown(value)} |" for name, value in plan(inputs).items()]
    return "\n".join(lines)


def _given(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"


def main() -> None:
    """Print the tables, with the inputs of the command line in the place of the usual ones."""
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    print(tables({name: float(given.get(name, value)) for name, (value, _) in INPUTS.items()}))


if __name__ == "__main__":
    main()
