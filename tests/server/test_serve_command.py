"""The command: options, the ready line, errors in one sentence, a clean exit."""

import importlib.util
import re
import signal
import socket
import subprocess
import sys

import httpx2
import pytest

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
        body = {"model": "tiny", "prompt": "a film", "max_tokens": 1}
        answer = httpx2.post(f"{found[1]}/completions", json=body, timeout=120)
        assert answer.status_code == 200
        process.send_signal(ending)
        rest, errors = process.communicate(timeout=120)
        assert (process.returncode, rest, errors) == (code, "", "")


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


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.7.7", "example.org"])
def test_another_host_than_loopback_needs_a_key(host, monkeypatch):
    monkeypatch.delenv("TUNEBENCH_API_KEY", raising=False)
    ended = run("--host", host, "--model", "smollm2-135m")
    assert ended.returncode == 2
    assert re.fullmatch(rf"error: serving at {host} .*--api-key.*\n", ended.stderr)


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


def test_the_built_in_names_are_served_by_default():
    from tunebench.server.command import _sources

    built_in = ["smollm2-135m", "gemma3-270m"]
    if importlib.util.find_spec("all_minilm_l6_v2"):
        built_in.append("all-minilm-l6-v2")
    assert list(_sources(None)) == built_in
    assert _sources(["mine=some/folder", "other"]) == {"mine": "some/folder", "other": "other"}
