"""The local provider beside other servers, with the same weights, in one run.

    python benchmarks/speed/local_provider.py --json speed.json

For each case all servers are asked in turn, five times over, and the medians are compared. Needs
an idle machine, and takes about a quarter of an hour on two cores. A server that is not installed
is left out. One that needs a Python of its own is found by TUNEBENCH_LLAMA_CPP_PYTHON
(`llama-cpp-python[server]`) or TUNEBENCH_TRANSFORMERS_PYTHON (`transformers[serving]`).
"""

import argparse
import contextlib
import functools
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

from servers import AT_ONCE, CORES, LLAMA, MODEL, SERVE, Servers

NEW_TOKENS = 48
WORDS = re.findall(
    r"\w+",
    """the a film story actor end town sea light night house friend letter road winter music
    window garden river voice morning paper city train mother brother hand door summer word game
    was is had with about from under over quiet long old small never always nearly again""",
)
STORY = "Once upon a time there was a lighthouse keeper who wanted to learn to dance. One day"
# How long GNU's OpenMP spins before it sleeps; 300,000 is its own default on an idle machine.
SPINS = ["0", "2500", "300000"]


def text_of(seed: int, words: int) -> str:
    """Made-up words without a line end, so that no prompt shares a head with another."""
    return " ".join(random.Random(seed).choices(WORDS, k=words))


class PlainLoop:
    """The loop that computes the log-probabilities of prompts one by one."""

    def __init__(self) -> None:
        import torch

        from tunebench.server.inference.models import ModelRegistry

        self._torch = torch
        loaded = ModelRegistry({MODEL: MODEL}, torch.bfloat16).get(MODEL)
        self.tokenizer, self._network = loaded.tokenizer, loaded.network

    def tokens(self, prompts: list[str]) -> int:
        return sum(len(ids) for ids in self.tokenizer(prompts)["input_ids"])

    def __call__(self, prompts: list[str]) -> None:
        torch = self._torch
        for prompt in prompts:
            ids = self.tokenizer(prompt, return_tensors="pt")["input_ids"]
            with torch.inference_mode():
                logits = self._network(input_ids=ids, use_cache=False).logits[0, :-1]
                logprobs = logits.float().log_softmax(-1)
                logprobs.gather(-1, ids[0, 1:, None]).tolist()


class Run:
    """Cases, measured in turn."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        self.results: dict[str, dict[str, dict[str, object]]] = {}

    def case(self, title: str, ways: dict[str, object]) -> None:
        """Measure tokens a second of each way; a way does its work and returns the tokens."""
        rates: dict[str, list[float]] = {name: [] for name in ways}
        load = os.getloadavg()[0]
        for _ in range(self.rounds):
            for name, way in ways.items():
                started = time.perf_counter()
                tokens = way()
                rates[name].append(tokens / (time.perf_counter() - started))
        print(f"\n{title} (load {load:.1f} before)")
        self.results[title] = {}
        for name, each in rates.items():
            median = statistics.median(each)
            self.results[title][name] = {"median": round(median, 1), "rounds": each, "load": load}
            print(f"  {name:24} {median:9.1f} tokens/s   {min(each):.1f} to {max(each):.1f}")

    def median(self, title: str, name: str) -> float | None:
        found = self.results.get(title, {}).get(name)
        return float(found["median"]) if found else None


PROMPTS = "prompts of 300 tokens, eight at once"
ONE = f"decoding {NEW_TOKENS} tokens, one stream"
EIGHT = f"decoding {NEW_TOKENS} tokens, eight streams at once"
ECHO_HEAD = "echo with log-probabilities, prompts with one head"
ECHO = "echo with log-probabilities, different prompts"
OURS, PLAIN = "tunebench", "plain loop"


def servers(run: Run, stack: contextlib.ExitStack) -> dict[str, str]:
    running = Servers(stack)
    running.start_ours(OURS)
    running.start_others()
    plain = PlainLoop()
    names = list(running.clients)
    for name in names:
        running.ask(name, ["Loads the model ->"], 3)
    seeds = iter(range(10**6))

    def prompts(name: str, count: int = 16):
        def way() -> int:
            # New ones each time: a server may keep what it has computed.
            texts = [text_of(next(seeds), 290) for _ in range(count)]
            running.ask(name, texts, 1)
            return plain.tokens(texts)

        return way

    def decoding(name: str, count: int):
        return lambda: running.ask(name, [f"{n + 1}. {STORY}" for n in range(count)], NEW_TOKENS)

    def echo(texts: list[str]) -> int:
        running.clients[OURS].completions.create(
            model=MODEL, prompt=texts, max_tokens=0, echo=True, logprobs=1
        )
        return plain.tokens(texts)

    def loop(texts: list[str]) -> int:
        plain(texts)
        return plain.tokens(texts)

    def texts(head: str) -> list[str]:
        return [head + text_of(next(seeds), 140) for _ in range(16)]

    run.case(PROMPTS, {name: prompts(name) for name in names})
    run.case(ONE, {name: decoding(name, 1) for name in names})
    run.case(EIGHT, {name: decoding(name, AT_ONCE) for name in names})
    head = text_of(next(seeds), 150) + "\n"
    run.case(ECHO_HEAD, {OURS: lambda: echo(texts(head)), PLAIN: lambda: loop(texts(head))})
    run.case(ECHO, {OURS: lambda: echo(texts("")), PLAIN: lambda: loop(texts(""))})
    return running.versions


def threads(run: Run, load: int) -> None:
    """Our server with some ways to wait, while other processes work."""
    texts = [text_of(seed, 290) for seed in range(3)]
    with contextlib.ExitStack() as stack:
        running = Servers(stack)
        for spins in SPINS:
            env = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": spins}
            running.start_ours(f"{spins} spins", **env)
        running.start_ours("one thread", "--threads", "1")
        for name in running.clients:
            running.ask(name, ["Loads the model ->"], 3)
        for _ in range(load):
            process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(process.kill)

        def both(name: str) -> int:
            running.ask(name, texts, 1)
            return 300 * len(texts) + running.ask(name, [STORY], 16)

        ways = {name: functools.partial(both, name) for name in running.clients}
        run.case(f"three prompts and 16 new tokens, {load} other processes", ways)


def ratios(run: Run) -> dict[str, tuple[float | None, float]]:
    """What is to be reached: the ratio found, and the least."""

    def ratio(title: str, name: str, other_title: str, other: str) -> float | None:
        one, two = run.median(title, name), run.median(other_title, other)
        return round(one / two, 2) if one and two else None

    return {
        "eight streams to one": (ratio(EIGHT, OURS, ONE, OURS), 3.0),
        f"one stream to {LLAMA}": (ratio(ONE, OURS, ONE, LLAMA), 0.6),
        "echo to a plain loop, one head": (ratio(ECHO_HEAD, OURS, ECHO_HEAD, PLAIN), 1.0),
        "echo to a plain loop": (ratio(ECHO, OURS, ECHO, PLAIN), 1.0),
        f"prompts to {SERVE}": (ratio(PROMPTS, OURS, PROMPTS, SERVE), 1.2),
        f"prompts to {LLAMA}": (ratio(PROMPTS, OURS, PROMPTS, LLAMA), 2.0),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    parser.add_argument("--only", choices=["servers", "threads"], help="one half of the run")
    parser.add_argument("--loads", type=int, nargs="*", default=[0, 2, 4], metavar="N")
    options = parser.parse_args()
    import torch
    import transformers

    run, versions = Run(options.rounds), {}
    processor = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    machine = {
        "date": time.strftime("%Y-%m-%d"),
        "processor": processor[1] if processor else platform.processor(),
        "cores": CORES,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "model": MODEL,
        "load": os.getloadavg(),
    }
    if options.only != "threads":
        with contextlib.ExitStack() as stack:
            versions = servers(run, stack)
    if options.only != "servers":
        for load in options.loads:
            threads(run, load)
    machine.update(versions)
    print("\n" + ", ".join(f"{name} {value}" for name, value in machine.items()))
    for name, (found, least) in ratios(run).items():
        if found is not None:
            print(f"  {name:36} {found:6.2f}   at least {least}")
    if options.json:
        whole = {"machine": machine, "cases": run.results, "ratios": ratios(run)}
        options.json.write_text(json.dumps(whole, indent=1))


if __name__ == "__main__":
    main()
