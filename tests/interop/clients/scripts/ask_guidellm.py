"""guidellm: a benchmark of two requests, which are streamed."""

import json
import os
import subprocess
import sys
from pathlib import Path

from answering import ASKED, answer

TARGET = os.environ["OPENAI_BASE_URL"].removesuffix("/v1")


def _outputs(request_format, text):
    Path("texts.jsonl").write_text(4 * (json.dumps({"prompt": text}) + "\n"))
    backend = {
        "kind": "openai_http",
        "target": TARGET,
        "model": ASKED["model"],
        "request_format": request_format,
        "max_tokens": ASKED["max_tokens"],
        "extras": {"body": {"temperature": 0}},
    }
    report = Path("report.json")
    options = {
        "--backend": backend,
        "--profile": {"kind": "synchronous"},
        "--constraint": {"kind": "max_requests", "count": 2},
        "--data": {"kind": "json_file", "path": "texts.jsonl"},
        "--tokenizer": {"kind": "huggingface_auto", "model": os.environ["TOKENIZER"]},
        "--output": {"kind": "json", "path": str(report)},
    }
    command = [str(Path(sys.executable).with_name("guidellm")), "run", "--disable-console"]
    for option, value in options.items():
        command += [option, json.dumps(value)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    [benchmark] = json.loads(report.read_text())["benchmarks"]
    assert not benchmark["requests"]["errored"], benchmark["requests"]["errored"]
    return [request["output"] for request in benchmark["requests"]["successful"]]


def completions():
    return _outputs("/v1/completions", ASKED["prompts"][0])[0]


def chat():
    return _outputs("/v1/chat/completions", ASKED["question"])[0]


answer("guidellm", globals())
