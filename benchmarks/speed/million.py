"""One cell of a million texts, end to end: recorded, killed, resumed, replayed, reported.

    python benchmarks/speed/million.py [--texts 1000000] [--folder FOLDER] [--only STEP,...]

A made-up experiment in a folder of its own is recorded from a mock provider on this machine, which
takes lists of prompts, by the commands that a user would give. Of each step are printed its time,
the most resident memory of its process, and what it left on the disk. The recording is killed with
SIGKILL when two fifths of the texts are answered; the provider counts the prompts that it was asked
twice.
"""

import argparse
import contextlib
import http.server
import json
import os
import random
import shutil
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import ClassVar

HERE = Path(__file__).resolve()
LABELS = ["Negative", "Positive"]
STEPS = ("record", "replay", "report", "verify", "recalled")

EXPERIMENT = """\
[task]
name = "million"
dataset = "train.csv"
test_dataset = "test.csv"
labels = ["Negative", "Positive"]
instruction = "Is this sentence Positive or Negative?"
test_size = {texts}

[provider.mock]
base_url = "http://127.0.0.1:{port}/v1"
endpoint = "completions"
supports = ["lists"]

[[model]]
name = "mock"
provider = "mock"

[matrix]
shots = [0]
train_sizes = []

[[threshold]]
min_accuracy = 0.4
"""

TEST = """\
import pytest

from tunebench import Experiment

experiment = Experiment.beside(__file__)


@pytest.mark.parametrize("cell", experiment.cells, ids=str)
def test_accuracy(cell, evaluate):
    assert evaluate(cell).accuracy >= cell.min_accuracy
"""


def write_texts(path: Path, n: int, *, seed: int) -> None:
    """A table of n different short texts, of about 60 characters, and their labels."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=5)) for _ in range(997)]
    with path.open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        for i in range(n):
            said = " ".join(draw.choices(words, k=9))
            file.write(f"{said} {seed}-{i},{LABELS[draw.random() < 0.5]}\n")


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers completions; the label follows from the prompt."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer
    lock = threading.Lock()
    counted: ClassVar[dict[str, int]] = {"requests": 0, "prompts": 0}

    def do_GET(self) -> None:
        """The counts so far."""
        self._send(self.counted)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        prompts = [body["prompt"]] if isinstance(body["prompt"], str) else body["prompt"]
        choices = [
            {
                "index": i,
                "text": " Posi" if hash(prompt) % 2 else " Nega",
                "finish_reason": "stop",
                "logprobs": None,
            }
            for i, prompt in enumerate(prompts)
        ]
        tokens = {"prompt_tokens": 30 * len(prompts), "completion_tokens": len(prompts)}
        with self.lock:
            self.counted["requests"] += 1
            self.counted["prompts"] += len(prompts)
        usage = {**tokens, "total_tokens": sum(tokens.values())}
        fields = {"id": "c", "object": "text_completion", "created": 0, "model": body["model"]}
        self._send({**fields, "choices": choices, "usage": usage})

    def _send(self, value: object) -> None:
        content = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


def serve() -> None:
    """The mock provider; prints its port."""
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


def counted(port: int) -> dict[str, int]:
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}/") as answer:
        return json.load(answer)


def sizes(folder: Path) -> dict[str, int]:
    """Bytes by file."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in found}


class Bench:
    """An experiment in a folder, and the commands on it."""

    def __init__(self, folder: Path, texts: int, port: int) -> None:
        self.folder, self.texts, self.port = folder, texts, port
        self.experiment = folder / "benchmarks" / "million"
        self.cassettes = folder / "cassettes"
        self.experiment.mkdir(parents=True, exist_ok=True)
        (folder / ".git").mkdir(exist_ok=True)
        if not (self.experiment / "test.csv").exists():
            write_texts(self.experiment / "train.csv", 100, seed=1)
            write_texts(self.experiment / "test.csv", texts, seed=2)
        content = EXPERIMENT.format(texts=texts, port=port)
        (self.experiment / "experiment.toml").write_text(content)
        (self.experiment / "test_million.py").write_text(TEST)
        (folder / "pytest.ini").write_text("[pytest]\n")

    def run(self, step: str, *command: str, kill_at: int | None = None) -> dict[str, object]:
        """Run a command of tunebench or pytest; kill it when so many prompts were asked."""
        started = time.perf_counter()
        with (self.folder / f"{step}.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=self.folder, stdout=log, stderr=log
            )
            if kill_at is not None:
                while counted(self.port)["prompts"] < kill_at and process.poll() is None:
                    time.sleep(0.05)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        row = {
            "step": step,
            "exit": os.waitstatus_to_exitcode(status),
            "seconds": round(seconds, 1),
            "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
            "peak_megabytes": round(usage.ru_maxrss * 1024 / 1e6),
            "us_per_text": round(seconds / self.texts * 1e6, 1),
        }
        print(json.dumps(row), flush=True)
        return row

    def record(self) -> None:
        shutil.rmtree(self.cassettes, ignore_errors=True)
        before = counted(self.port)["prompts"]
        pytest = ("pytest", "-q", "-p", "no:cacheprovider", "--record=missing")
        self.run("record, killed", *pytest, kill_at=before + self.texts * 2 // 5)
        first = counted(self.port)["prompts"] - before
        self.run("record, resumed", *pytest)
        asked = counted(self.port)["prompts"] - before
        print(json.dumps({"asked_before_kill": first, "asked": asked, "twice": asked - self.texts}))
        print(json.dumps({"bytes": sizes(self.cassettes)}))

    def replay(self) -> None:
        self.run("replay", "pytest", "-q", "-p", "no:cacheprovider")

    def report(self) -> None:
        self.run("report", "pytest", "-q", "-p", "no:cacheprovider", "--results=results")
        print(json.dumps({"bytes": sizes(self.folder / "results")}))

    def verify(self) -> None:
        self.run("verify", "tunebench", "cassettes", "verify")

    def recalled(self) -> None:
        """Replay without the data set."""
        moved = self.experiment / "test.away"
        (self.experiment / "test.csv").rename(moved)
        try:
            self.run("recalled", "pytest", "-q", "-p", "no:cacheprovider")
        finally:
            moved.rename(self.experiment / "test.csv")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", default=",".join(STEPS[:3]))
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve()
        return
    with (
        tempfile.TemporaryDirectory() as made,
        subprocess.Popen(
            [sys.executable, str(HERE), "--serve"], stdout=subprocess.PIPE, text=True
        ) as provider,
    ):
        try:
            port = int(provider.stdout.readline())
            bench = Bench(chosen.folder or Path(made), chosen.texts, port)
            for step in chosen.only.split(","):
                getattr(bench, step)()
        finally:
            provider.kill()


if __name__ == "__main__":
    main()
