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
asked = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
answers = iter([one["answer"].encode() for one in asked])
def answer(request):
    request.read()
    return httpx2.Response(200, content=next(answers), headers={"content-type": "application/json"})
client = openai.OpenAI(base_url="http://127.0.0.1:8017/v1", api_key="none", max_retries=0,
                       http_client=httpx2.Client(transport=httpx2.MockTransport(answer)))
raw = openai.HttpxBinaryResponseContent
for one in asked:
    path, body = one["path"], one["body"]
    if one["method"] == "GET":
        client.get(path, cast_to=raw)
    elif path == "/files":
        content = body.split("\\r\\n\\r\\n")[-1].rpartition("\\r\\n--")[0]
        client.files.create(file=("rows.jsonl", content.encode("latin-1")), purpose="fine-tune")
    elif path == "/completions":
        client.completions.create(**json.loads(body.encode("latin-1")))
    else:
        client.post(path, body=json.loads(body), cast_to=raw)
"""

SEEN = """
import json, sys
from tunebench.cassettes import recorder
from urllib.parse import urlsplit
play = recorder.RecordedCassette.play_response
def spy(self, request):
    response = play(self, request)
    url = urlsplit(request.uri)
    path = url.path.removeprefix("/v1") + ("?" + url.query if url.query else "")
    body = (request.body or b"").decode("latin-1")
    one = {"method": request.method, "path": path, "body": body,
           "answer": response["body"]["string"].decode()}
    print(json.dumps(one), file=out)
    return response
# The kinds of cassette that have a method of their own call this one.
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
    # Other plugins of this environment, such as Hypothesis's, take their time in any run of pytest.
    environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    done = subprocess.run(
        command, cwd=request.config.rootpath, env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_tunebench(benchmark, requests_of_imdb, request):
    benchmark.group, benchmark.name = "cold-start", "tunebench"
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
