"""Replay against its floor: the same requests through the same client over a dictionary.

In each case of `tunebench` the yardstick runs before every round, so that the ratio in its
`extra_info` compares times taken in turn.
"""

import json
import statistics
import subprocess
import sys
import time

import pytest
import vcr
from workload import BASE_URL, PARAMETERS, Workload

from tunebench.api import Client

SIZES = {"replay-1000": (1000, 1), "replay-1000-lists": (1000, 20), "replay-25000": (25000, 1)}
ROUNDS = 5


@pytest.fixture(scope="module", params=SIZES)
def group(request, tmp_path_factory):
    n, size = SIZES[request.param]
    workload = Workload(tmp_path_factory.mktemp(request.param), n, size)
    workload.record()
    return request.param, workload


def named(benchmark, group, case):
    """Give a case the name under which `--benchmark-json` lists it."""
    benchmark.group, benchmark.name = group, case


def test_tunebench(benchmark, group):
    name, workload = group
    named(benchmark, name, "tunebench")
    floors = []

    def floor_first():
        started = time.perf_counter()
        workload.floor()
        floors.append(time.perf_counter() - started)

    benchmark.pedantic(workload.tunebench, setup=floor_first, rounds=ROUNDS, warmup_rounds=1)
    ours, floor = benchmark.stats.stats.median, statistics.median(floors[1:])
    benchmark.extra_info |= {
        "ratio_to_floor": round(ours / floor, 3),
        "us_per_review": round(ours / workload.n * 1e6, 1),
        "us_per_request": round(ours / len(workload.batches) * 1e6, 1),
    }


def test_floor(benchmark, group):
    name, workload = group
    named(benchmark, name, "floor")
    benchmark.pedantic(workload.floor, rounds=ROUNDS, warmup_rounds=1)


@pytest.mark.parametrize("group", ["replay-1000"], indirect=True)
def test_vcrpy(benchmark, group):
    name, workload = group
    named(benchmark, name, "vcrpy")
    path = str(workload.folder / "stock.yaml")
    matching = ["method", "path", "body"]
    requests, responses = [], []
    for batch in workload.batches:
        body = workload.wire(batch)
        requests.append(vcr.request.Request("POST", f"{BASE_URL}/completions", body, {}))
        responses.append(
            {
                "status": {"code": 200, "message": "OK"},
                "headers": {"content-type": ["application/json"]},
                "body": {"string": workload.answers[body]},
            }
        )
    vcr.persisters.filesystem.FilesystemPersister.save_cassette(
        path,
        {"requests": requests, "responses": responses},
        serializer=vcr.serializers.yamlserializer,
    )
    client = Client(BASE_URL, "none", prompts_per_request=1)

    def stock():
        with vcr.use_cassette(path, record_mode="none", match_on=matching):
            client.complete("m", workload.prompts, PARAMETERS)

    benchmark.pedantic(stock, rounds=1)


MEMORY = """
import gc, json, sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from workload import EXPERIMENT, PARAMETERS, BASE_URL, prompts
from tunebench.api import Client
from tunebench.cassettes import CassetteFile, use_cassette
def resident():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
client, texts = Client(BASE_URL, "none", prompts_per_request=1), prompts(25000)
with use_cassette(CassetteFile(Path("none"), **EXPERIMENT), before_send=None, items={}, hint=""):
    pass
before = resident()
file = CassetteFile(Path(sys.argv[1]), **EXPERIMENT)
peak = 0
with use_cassette(file, before_send=None, items={}, hint=""):
    for i in range(0, len(texts), 1000):
        client.complete("m", texts[i:i + 1000], PARAMETERS)
        peak = max(peak, resident())
print(json.dumps({"megabytes": (peak - before) / 1e6}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("group", ["replay-25000"], indirect=True)
def test_memory(benchmark, group, request):
    """Resident memory that the cassette adds while 25,000 rows are replayed."""
    name, workload = group
    named(benchmark, name, "memory")
    folders = [str(request.path.parent), str(request.config.rootpath)]
    outputs = []

    def measure():
        command = [sys.executable, "-c", MEMORY, str(workload.path), *folders]
        outputs.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    benchmark.pedantic(measure, rounds=1)
    benchmark.extra_info |= json.loads(outputs[-1])
