"""Servers and workers that are killed lose no job, and a cancelled job's worker ends."""

import base64
import contextlib
import json
import os
import re
import subprocess
import sys
import time

import openai
import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")
psutil = pytest.importorskip("psutil", reason="needs psutil, which the local extra brings")

ROWS = [
    {"prompt": f"{i} the film was {word} ->", "completion": f" {label}"}
    for i in range(32)
    for word, label in [("good", "Positive"), ("bad", "Negative")]
]
DATA = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
BODY = {"model": "tiny", "seed": 1, "extra_body": {"lora_dropout": 0.1}}


class Server:
    """A server's process and a client of it."""

    def __init__(self, source, folder):
        command = [sys.executable, "-m", "tunebench.server", "--port", "0", "--dtype", "float32"]
        command += ["--model", f"tiny={source}", "--data-dir", str(folder)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        url = re.search(r"http://\S+", self.process.stdout.readline())[0]
        self.client = openai.OpenAI(base_url=url, api_key="any", max_retries=0)
        self.jobs = self.client.fine_tuning.jobs

    def create(self, epochs):
        file = self.client.files.create(file=("a.jsonl", DATA), purpose="fine-tune")
        return self.jobs.create(
            training_file=file.id, hyperparameters={"n_epochs": epochs}, **BODY
        ).id

    def workers(self):
        return psutil.Process(self.process.pid).children()

    def worker(self):
        """The worker's process, once there is one."""
        return waited(self.workers)[0]

    def ended(self, job):
        active = ("validating_files", "queued", "running")
        waited(lambda: self.jobs.retrieve(job).status not in active)
        return self.jobs.retrieve(job)

    def result(self, job):
        [name] = self.ended(job).result_files
        return base64.b64decode(self.client.files.content(name).read()).decode()

    def messages(self, job):
        return [event.message for event in self.jobs.list_events(job, limit=1000)]

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.client.close()


def waited(condition, seconds=300):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def gone(worker):
    return not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def start(tiny_folders, tmp_path):
    with contextlib.ExitStack() as stack:

        def started():
            made = Server(tiny_folders["tiny-llama"], tmp_path)
            stack.callback(made.end)
            return made

        yield started


def test_a_killed_server_loses_no_job_and_its_result_is_the_same(start):
    """A second server on the folder takes over; the job continues from its last epoch."""
    first, second = start(), start()
    job = first.create(6)
    waiting = first.create(6)
    waited(lambda: first.workers() or second.workers())
    if second.workers():  # either may run the queue
        first, second = second, first
    waited(lambda: len(second.jobs.checkpoints.list(job).data) >= 2)
    worker = first.worker()
    first.process.kill()
    waited(lambda: gone(worker))
    assert second.ended(job).status == "succeeded"
    [again] = [text for text in second.messages(job) if "continues" in text]
    assert re.fullmatch(
        r"The server was restarted; the job continues from the checkpoint of epoch \d+\.", again
    )
    assert second.ended(waiting).status == "succeeded"
    # The same seed and files, without an interruption: the same rows to the last digit.
    assert second.result(job) == second.result(waiting)
    assert len(second.jobs.checkpoints.list(job, limit=50).data) == 6


def test_the_queue_continues_after_killed_and_cancelled_workers(start):
    server = start()
    early = server.create(100)
    late = server.create(30)
    server.worker().kill()
    failed = server.ended(early)
    assert (failed.status, failed.error.code) == ("failed", "worker_ended")
    assert failed.error.message.startswith(
        "The worker exited with signal 9 (perhaps out of memory)"
    )

    waited(lambda: server.jobs.checkpoints.list(late).data)
    server.worker().kill()
    waited(lambda: any("continues from the checkpoint" in one for one in server.messages(late)))
    waited(lambda: server.jobs.retrieve(late).status == "running")

    third = server.create(100)
    worker = server.worker()
    server.jobs.cancel(late)
    waited(lambda: gone(worker))
    assert server.jobs.retrieve(late).status == "cancelled"
    # Put down and started again, with a job running: it is still there.
    waited(lambda: server.jobs.retrieve(third).status == "running")
    server.process.terminate()
    assert server.process.wait(120) == 0
    after = start()
    waited(lambda: any("The server was restarted" in one for one in after.messages(third)))
    waited(lambda: after.jobs.retrieve(third).status == "running")
    assert after.jobs.cancel(third).status == "cancelled"
