"""A cold `pytest benchmarks/imdb` against a bare process that answers the same requests."""

import os
import statistics
import subprocess
import sys
import time

import pytest

ROUNDS = 7

BARE = """
import json, sys
import openai, pandas, pytest, vcr
import httpx2
bodies = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
answers = {json.dumps(b, ensure_ascii=False, separators=(",", ":")).encode(): a.encode()
           for b, a in bodies}
def look_up(request):
    return httpx2.Response(200, content=answers[request.read()],
                           headers={"content-type": "application/json"})
client = openai.OpenAI(base_url="http://127.0.0.1:8017/v1", api_key="none", max_retries=0,
                       http_client=httpx2.Client(transport=httpx2.MockTransport(look_up)))
for body, _ in bodies:
    if "add_special_tokens" in body:
        client.post("/tokenize", body=body, cast_to=openai.HttpxBinaryResponseContent)
    else:
        client.completions.create(**body)
"""

SEEN = """
import json, sys
from harness.cassettes import recorder
play = recorder.RecordedCassette.play_response
def spy(self, request):
    response = play(self, request)
    pair = [json.loads(request.body), response["body"]["string"].decode()]
    print(json.dumps(pair, ensure_ascii=False), file=out)
    return response
recorder.RecordedCassette.play_response = spy
import pytest
with open(sys.argv[1], "w", encoding="utf-8") as out:
    sys.exit(pytest.main(["benchmarks/imdb", "-q"]))
"""


@pytest.fixture(scope="module")
def requests_of_imdb(tmp_path_factory, request):
    """The requests of the whole experiment with their answers, in a file of its own."""
    path = tmp_path_factory.mktemp("cold") / "requests.jsonl"
    run([sys.executable, "-c", SEEN, str(path)], request)
    return path


def run(command, request):
    # Compiled modules are kept, as anywhere; some test environments turn that off.
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        command, cwd=request.config.rootpath, env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_harness(benchmark, requests_of_imdb, request):
    benchmark.group, benchmark.name = "cold-start", "harness"
    floors = []

    def floor_first():
        started = time.perf_counter()
        run([sys.executable, "-c", BARE, str(requests_of_imdb)], request)
        floors.append(time.perf_counter() - started)

    def whole():
        run([sys.executable, "-m", "pytest", "benchmarks/imdb", "-q"], request)

    benchmark.pedantic(whole, setup=floor_first, rounds=ROUNDS, warmup_rounds=1)
    floor = statistics.median(floors[1:])
    benchmark.extra_info |= {"ratio_to_floor": round(benchmark.stats.stats.median / floor, 3)}
    benchmark.extra_info |= {"requests": sum(1 for _ in requests_of_imdb.open())}


def test_floor(benchmark, requests_of_imdb, request):
    benchmark.group, benchmark.name = "cold-start", "floor"
    command = [sys.executable, "-c", BARE, str(requests_of_imdb)]
    benchmark.pedantic(run, args=(command, request), rounds=ROUNDS, warmup_rounds=1)
