"""The Ray engine on one, two and three nodes of this machine, beside the plain server.

    python benchmarks/speed/cluster.py --requests 2000 --epochs 10

All nodes share this machine's cores: with fewer cores than nodes, throughput cannot rise with every
node. One replica and one training at a time run on each node, with one thread; the plain server has
one thread, too. The share is the efficiency: throughput over that of one node times the nodes. The
model is a small Llama that is made on the spot, so that what is measured is
mostly the path of a request, not the model.
"""

import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai

CLIENTS = 16
ROWS = [
    {"prompt": f"{i} the film was {word} ->", "completion": f" {label}"}
    for i in range(64)
    for word, label in [("good", "Positive"), ("bad", "Negative")]
]
DATA = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def make_model(folder: Path) -> None:
    """A Llama of 8 layers and 256 dimensions with random weights."""
    import tokenizers
    import torch
    import transformers

    inner = tokenizers.Tokenizer(tokenizers.models.BPE())
    inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    inner.train_from_iterator(
        [row["prompt"] for row in ROWS],
        tokenizers.trainers.BpeTrainer(
            special_tokens=["<bos>", "<eos>"], initial_alphabet=alphabet, show_progress=False
        ),
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<bos>", eos_token="<eos>", pad_token="<eos>"
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(7)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=1024,
        num_hidden_layers=8,
        num_attention_heads=8,
        max_position_embeddings=512,
        bos_token_id=0,
        eos_token_id=1,
    )
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)


@contextlib.contextmanager
def serving(model: Path, folder: Path, *options: str):
    command = [sys.executable, "-m", "tunebench.server", "--port", "0", "--dtype", "float32"]
    command += ["--threads", "1", f"--model=tiny={model}", "--data-dir", str(folder), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = re.search(r"http://\S+", process.stdout.readline())[0]
            with openai.OpenAI(base_url=url, api_key="any", max_retries=0) as client:
                yield client
        finally:
            process.terminate()


@contextlib.contextmanager
def cluster(nodes: int):
    from ray.cluster_utils import Cluster

    # A core for the replica and one for a training.
    node = {"num_cpus": 2, "object_store_memory": 100 << 20}
    made = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        for _ in range(nodes - 1):
            made.add_node(**node)
        yield made.address
    finally:
        made.shutdown()


def answers_per_second(client: openai.OpenAI, count: int) -> float:
    """With sixteen clients; a fifth of the requests comes before, and does not count."""

    def ask(number: int) -> None:
        prompt = f"{number} the film was {'very ' * 30}good ->"
        client.completions.create(model="tiny", prompt=prompt, max_tokens=1, logprobs=5)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(ask, range(count // 5)))
        began = time.perf_counter()
        list(pool.map(ask, range(count)))
        return count / (time.perf_counter() - began)


def milliseconds(client: openai.OpenAI, count: int = 100) -> float:
    """Of one request when nothing else is asked, the median."""
    found = []
    for number in range(count):
        began = time.perf_counter()
        client.completions.create(model="tiny", prompt=f"{number} film ->", max_tokens=1)
        found.append(time.perf_counter() - began)
    return statistics.median(found) * 1000


def jobs_per_minute(client: openai.OpenAI, count: int, epochs: int) -> float:
    """From the creation of the first to the end of the last."""
    jobs = client.fine_tuning.jobs
    file = client.files.create(file=("a.jsonl", DATA), purpose="fine-tune").id
    began = time.perf_counter()
    left = {
        jobs.create(
            model="tiny", training_file=file, seed=n, hyperparameters={"n_epochs": epochs}
        ).id
        for n in range(count)
    }
    while left:
        time.sleep(0.2)
        found = {job: jobs.retrieve(job) for job in left}
        assert not [job for job in found.values() if job.status in ("failed", "cancelled")], found
        left = {name for name, job in found.items() if job.status != "succeeded"}
    return count / (time.perf_counter() - began) * 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    one: tuple[float, float] | None = None
    columns = ("answers/s", "share", "ms alone", "jobs/min", "share", "load")
    print(f"{'':10}{columns[0]:>11}{columns[1]:>8}{columns[2]:>10}", end="")
    print(f"{columns[3]:>10}{columns[4]:>8}{columns[5]:>8}")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_model(folder / "model")

        def measure(name: str, *given: str) -> tuple[float, float, float]:
            with serving(folder / "model", folder / name.replace(" ", "-"), *given) as client:
                speed = answers_per_second(client, options.requests)
                wait = milliseconds(client)
                return speed, wait, jobs_per_minute(client, options.jobs, options.epochs)

        def show(name: str, speed: float, share: str, wait: float, jobs: float, other: str) -> None:
            load = os.getloadavg()[0]
            line = f"{name:10}{speed:11.1f}{share:>8}{wait:10.1f}{jobs:10.2f}{other:>8}{load:8.1f}"
            print(line, flush=True)

        speed, wait, jobs = measure("plain")
        show("plain", speed, "", wait, jobs, "")
        for nodes in options.nodes:
            with cluster(nodes) as address:
                given = ["--engine=ray", f"--address={address}", f"--replicas={nodes}"]
                speed, wait, jobs = measure(f"{nodes} nodes", *given, f"--training-jobs={nodes}")
            one = one or (speed / nodes, jobs / nodes)
            pairs = zip((speed, jobs), one, strict=True)
            shares = [f"{found / first / nodes:.0%}" for found, first in pairs]
            show(f"{nodes} nodes", speed, shares[0], wait, jobs, shares[1])
    print(f"{os.cpu_count()} cores")


if __name__ == "__main__":
    main()
