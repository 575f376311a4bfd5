"""Answers of replicas: none is lost with a replica, and they equal the local server's."""

import concurrent.futures
import contextlib
import inspect
import subprocess
import sys
import time

import psutil
import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")
pytest.importorskip("ray", reason="needs the ray extra: pip install -e '.[local,ray]'")

from ..conftest import serving

PROMPTS = [f"{number} the film was {'very ' * (number % 7)}good ->" for number in range(24)]


def completion(client, prompt, **options):
    return client.completions.create(
        **{
            "model": "tiny-llama",
            "prompt": prompt,
            "max_tokens": 5,
            "logprobs": 3,
            "temperature": 0,
        }
        | options
    )


@pytest.fixture(scope="module")
def local(tiny_folders):
    with serving(tiny_folders) as provider, provider.client() as made:
        yield made


def replicas():
    """The processes of the replicas of the clusters that this process has started."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if " ".join(process.cmdline()).startswith("ray::ServeReplica:tunebench-"):
                found.append(process)
    return found


def seconds_of_replicas():
    """What they have computed so far."""
    return sum(sum(process.cpu_times()[:2]) for process in replicas())


def test_answers_equal_the_local_servers(client, local):
    """Float32: the same tokens, and log-probabilities within 1e-4 of each other."""
    for prompt in PROMPTS:
        mine, other = completion(client, prompt), completion(local, prompt)
        assert mine.choices[0].text == other.choices[0].text
        assert mine.choices[0].logprobs.token_logprobs == pytest.approx(
            other.choices[0].logprobs.token_logprobs, abs=1e-4
        )
        assert mine.system_fingerprint == other.system_fingerprint


def test_the_description_of_the_api_is_the_local_servers(client, local):
    mine, other = (one.get("../openapi.json", cast_to=object) for one in (client, local))
    assert "CompletionRequest" in mine["components"]["schemas"]
    assert mine == other


def test_health_does_not_say_which_models_are_loaded(client, local):
    """Each replica has its own; the local server knows."""
    completion(local, "a film")
    mine, other = (one.get("../health", cast_to=object) for one in (client, local))
    assert list(mine) == ["status", "models"]
    assert "tiny-llama" in other["loaded"]


def test_a_killed_replica_loses_no_answer(client):
    expected = {prompt: completion(client, prompt).choices[0].text for prompt in PROMPTS}
    asked = PROMPTS * 20
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(completion, client, prompt) for prompt in asked]
        while sum(future.done() for future in futures) < 40:
            time.sleep(0.01)
        victim = replicas()[0]
        victim.kill()
        left = sum(not future.done() for future in futures)
        answers = [future.result(300) for future in futures]
    assert left > 100
    assert [answer.choices[0].text for answer in answers] == [expected[prompt] for prompt in asked]
    deadline = time.monotonic() + 120
    while len(replicas()) < 2:  # Serve starts another one
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_replica_computes_no_more_for_clients_that_have_left(served):
    """All that they have asked for would take the replicas minutes."""
    busy = {
        "max_tokens": 1900,
        "n": 16,
        "stream": True,
        "temperature": 1,
        "logit_bias": {"1": -100},
    }
    with served.client(_strict_response_validation=False) as client:
        for prompt in PROMPTS:
            with completion(client, prompt, **busy) as chunks:
                next(iter(chunks))
    deadline = time.monotonic() + 60
    while True:
        before = seconds_of_replicas()
        time.sleep(1)
        if seconds_of_replicas() - before < 0.2:
            break
        assert time.monotonic() < deadline


def test_the_local_engine_imports_no_ray(tiny_folders):
    """Nor does a server in this process, when another test has not imported it."""
    program = inspect.cleandoc(
        """
        import argparse, sys
        from tunebench import server
        from tunebench.server import command
        from tunebench.server.inference.models import ModelRegistry, choose_dtype
        from tunebench.server.tuning.fine_tuned import FineTunedModels
        from tunebench.server.tuning.storage import Storage
        from pathlib import Path
        parser = argparse.ArgumentParser()
        server.add_arguments(parser)
        registry = ModelRegistry({"tiny": sys.argv[1]}, choose_dtype("float32"))
        models = FineTunedModels(Storage(Path(sys.argv[2])), registry)
        engine = command._engine(parser.parse_args([]), registry, models)
        print(type(engine).__name__, "ray" in sys.modules)
        """
    )
    command = [sys.executable, "-c", program, tiny_folders["tiny-llama"], "nowhere"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    assert said.split() == ["LocalEngine", "False"]
