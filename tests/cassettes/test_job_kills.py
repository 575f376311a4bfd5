"""A recording that is killed while a job is being created does not start a second one."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

# So many recordings are killed; TUNEBENCH_TEST_KILLS=50 takes some minutes.
KILLS = int(os.environ.get("TUNEBENCH_TEST_KILLS", "5"))
TIMEOUT = 3.0
RECORDING = """
import sys
from pathlib import Path

from tunebench.api import Client
from tunebench.api import JobSpec, Upload, fine_tune
from tunebench.cassettes import CassetteFile, JobCassette, use_cassette
from tunebench.evaluation.recording import NoProgress

path, url, timeout = sys.argv[1:]
file = CassetteFile(Path(path), experiment="films", recording="m-ft10 (job)")
file.start_recording()
upload = Upload("films.jsonl", b"{}", "00" * 32, 1)
spec = JobSpec("m-ft10", upload, upload, {"model": "base"}, {"tunebench_job": Path(path).stem})
with (
    Client(url, "any", timeout=float(timeout)) as client,
    use_cassette(
        file, before_send=lambda: None, items={}, hint="record it", kind=JobCassette
    ) as cassette,
):
    print(fine_tune(client, spec, NoProgress(), cassette).model)
file.close()
"""


class Slow:
    """A provider that takes its time to create a job, and knows no idempotency keys."""

    def __init__(self, jobs: Any, random: random.Random) -> None:
        self.jobs, self.random = jobs, random
        self.arrived = threading.Event()
        self.done = threading.Event()
        # A job that is created in this state has nothing to wait for.
        jobs.states, jobs.extra = ["succeeded"], {"fine_tuned_model": "ft:base"}

    def answer(self, asked: Any) -> Any:
        if not (asked.body and asked.path.endswith("/jobs")):
            return self.jobs.answer(asked)
        self.done.clear()
        self.arrived.set()
        time.sleep(self.random.uniform(0, TIMEOUT / 2))
        answered = self.jobs.answer(asked)
        self.done.set()
        return answered


@pytest.mark.parametrize("number", range(KILLS))
def test_one_job_is_created_however_the_recording_is_killed(
    jobs, loopback, tmp_path, number: int
) -> None:
    chance = random.Random(number)
    slow = Slow(jobs, chance)
    loopback.answer = slow.answer
    command = [sys.executable, "-c", RECORDING]
    command += [str(tmp_path / f"mark-{number}.jsonl"), loopback.url, str(TIMEOUT)]

    with subprocess.Popen(command, stdout=subprocess.PIPE) as first:
        assert slow.arrived.wait(60)
        time.sleep(chance.uniform(0, TIMEOUT / 3))
        first.send_signal(signal.SIGKILL)
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert slow.done.wait(60)
    assert (second.stdout, second.returncode) == ("ft:base\n", 0), second.stderr
    assert [job["metadata"] for job in jobs.jobs] == [{"tunebench_job": f"mark-{number}"}]
