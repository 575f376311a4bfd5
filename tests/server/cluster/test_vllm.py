"""``--inference vllm``, with a stand-in for ``vllm`` and GPUs that only Ray believes in.

vLLM itself needs a real GPU; what is tested here is how it is started and what is sent to it.
"""

import json
import os
import socket
import sys

import httpx2
import openai
import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")
pytest.importorskip("ray", reason="needs the ray extra: pip install -e '.[local,ray]'")

from tunebench.server.cluster.vllm import command

from .conftest import server, started_cluster
from .test_bad_input import refused
from .test_jobs import created, ended, waited

STAND_IN = """\
#!{python}
import http.server, json, os, pathlib, sys

folder = pathlib.Path({folder!r})
folder.joinpath("argv").write_text(json.dumps(sys.argv[1:]))
adapters = {{}}

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, value, kind="application/json"):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(200, {{"path": self.path}})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.headers["authorization"] != "Bearer " + os.environ["VLLM_API_KEY"]:
            return self.answer(401, {{"error": {{"message": "no key"}}}})
        if self.path == "/v1/load_lora_adapter":
            files = sorted(os.listdir(body["lora_path"]))
            adapters[body["lora_name"]] = files
            return self.answer(200, b"loaded", "text/plain")
        if body.get("stream"):
            return self.answer(200, b"data: 1\\n\\ndata: [DONE]\\n\\n", "text/event-stream")
        if body["model"] == "broken":
            return self.answer(404, {{"error": {{"message": "no such model"}}}})
        self.answer(200, {{"path": self.path, "asked": body, "adapters": adapters}})

    def log_message(self, *_):
        pass

port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def asked(tiny_folders, tmp_path_factory):
    """A server whose replica starts the stand-in, and the stand-in's folder."""
    folder = tmp_path_factory.mktemp("vllm")
    program = folder / "bin" / "vllm"
    program.parent.mkdir()
    program.write_text(STAND_IN.format(python=sys.executable, folder=str(folder)))
    program.chmod(0o755)
    path = os.environ["PATH"]
    os.environ["PATH"] = f"{program.parent}{os.pathsep}{path}"
    try:
        models = {"tiny-llama": tiny_folders["tiny-llama"]}
        with (
            started_cluster(1, num_gpus=1) as cluster,
            server(cluster, models, folder / "data", "--inference=vllm") as made,
        ):
            yield made, folder
    finally:
        os.environ["PATH"] = path


def post(made, path, **body):
    return httpx2.post(f"{made.url.removesuffix('/v1')}{path}", json=body, timeout=120)


def arguments(folder):
    return json.loads((folder / "argv").read_text())


def test_the_command_line_is_vllms():
    assert command("name", "org/model", "bfloat16", 8000) == [
        "vllm",
        "serve",
        "org/model",
        "--served-model-name",
        "name",
        "--host",
        "127.0.0.1",
        "--port",
        "8000",
        "--dtype",
        "bfloat16",
        "--logprobs-mode",
        "processed_logprobs",
        "--generation-config",
        "vllm",
        "--max-logprobs",
        "20",
        "--enable-tokenizer-info-endpoint",
        "--enable-lora",
        "--max-loras",
        "16",
        "--max-lora-rank",
        "64",
    ]


def test_requests_reach_the_stand_in_as_they_are_with_a_key_of_its_own(asked):
    made, _ = asked
    answer = post(made, "/v1/completions", model="tiny-llama", prompt="é", logprobs=5)
    assert answer.json() == {
        "path": "/v1/completions",
        "asked": {"model": "tiny-llama", "prompt": "é", "logprobs": 5},
        "adapters": {},
    }
    assert post(made, "/v1/tokenize", model="tiny-llama").json()["path"] == "/tokenize"
    streamed = post(made, "/v1/chat/completions", model="tiny-llama", stream=True)
    assert streamed.text == "data: 1\n\ndata: [DONE]\n\n"
    assert streamed.headers["content-type"] == "text/event-stream"


def test_an_error_of_vllm_is_passed_on(asked):
    made, _ = asked
    with made.client() as client, pytest.raises(openai.NotFoundError, match="no such model"):
        client.completions.create(model="broken", prompt="a")


def test_a_fine_tuned_model_is_loaded_once_by_its_name(asked):
    made, _ = asked
    with made.client() as client:
        name = ended(client, created(client, 1)).fine_tuned_model
    for _ in range(2):
        answer = post(made, "/v1/completions", model=name, prompt="a").json()
    assert answer["asked"]["model"] == name
    files = ["adapter_config.json", "adapter_model.safetensors"]
    assert answer["adapters"] == {name: files}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ["--model=other=org/model"],
            "--inference vllm is given 2 models (tiny, other); give one --model",
        ),
        ([], "--inference vllm needs 1 GPUs, one for each replica, and the cluster has 0"),
    ],
)
def test_what_vllm_cannot_serve_is_one_sentence(cluster, tiny_folders, tmp_path, options, sentence):
    address = ["--address", cluster.address, "--inference=vllm"]
    assert sentence in refused(tiny_folders, tmp_path, *address, *options)


def test_vllm_ends_with_its_replica(asked):
    made, folder = asked
    port = int(arguments(folder)[arguments(folder).index("--port") + 1])
    made.worker.terminate()

    def is_closed():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) != 0

    assert waited(is_closed, 60)
