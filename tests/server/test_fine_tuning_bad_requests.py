"""Bad files and bad jobs: an error in OpenAI's shape, and nothing unfinished is left."""

import contextlib
import json
import os
import re
import resource
import select
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

GOOD = b'{"prompt": "a ->", "completion": " b"}\n{"prompt": "c ->", "completion": " d"}\n'
RATE = "hyperparameters.learning_rate_multiplier"
LIMIT = 3_000_000
FORM = 1 << 16
FILE_PART = b'Content-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def process(tiny_folders, folder):
    command = [sys.executable, "-m", "tunebench.server", "--port", "0", "--dtype", "float32"]
    command += ["--model", f"tiny={tiny_folders['tiny-llama']}", "--data-dir", str(folder)]
    command += ["--max-file", str(LIMIT), "--max-body", "10000"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        try:
            yield running
        finally:
            running.terminate()


@pytest.fixture(scope="module")
def url(process):
    return re.search(r"http://\S+", process.stdout.readline())[0]


@pytest.fixture
def small_disk(process, folder):
    """The server, and the workers that it starts, can write no file beyond some bytes."""
    endless = resource.RLIM_INFINITY

    def limit(size):
        # On a full disk what is in SQLite's log can be moved into the database, but not so here.
        waited(lambda: not unsaved(folder))
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, endless))

    yield limit
    limit(endless)


def upload(url, content, purpose="fine-tune", **extra):
    files = {"file": ("a.jsonl", content)}
    return httpx2.post(f"{url}/files", data={"purpose": purpose, **extra}, files=files)


def refused(answer):
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"].endswith(".")
    assert "\n" not in error["message"]
    assert len(error["message"]) < 300
    return answer.status_code, error


def chat(*roles):
    messages = [{"role": role, "content": f"word {number}"} for number, role in enumerate(roles)]
    return json.dumps({"messages": messages}).encode() + b"\n"


def left(folder):
    """Contents of files, with a row in the database or without."""
    return [path.name for path in (folder / "files").glob("*")]


def unsaved(folder):
    """Whether SQLite's log holds something that is not in the database yet."""
    with contextlib.suppress(FileNotFoundError):
        return any(log.stat().st_size for log in folder.glob("*-wal"))


def received(process):
    """Bytes in temporary files without a name, as that of an upload."""
    size = 0
    for file in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if os.readlink(file).endswith(" (deleted)"):
                size += file.stat().st_size
    return size


@contextlib.contextmanager
def started_upload(url, *headers):
    """A connection on which a form with a file has begun."""
    host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
    head = ["POST /v1/files HTTP/1.1", f"Host: {host}:{port}", *headers]
    head += ["Content-Type: multipart/form-data; boundary=b", "", ""]
    with socket.create_connection((host, int(port)), timeout=120) as connection:
        connection.sendall("\r\n".join(head).encode())
        yield connection


@pytest.fixture(scope="module")
def good(url):
    return upload(url, GOOD).json()["id"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD + b'{"prompt": "a', "line 3: this is not valid JSON"),
        (GOOD + b"\n\n[1]\n", "line 5: this is not a JSON object"),
        (GOOD + b'{"prompt": "a \xff", "completion": "b"}', "line 3: the text is not UTF-8"),
        (b'{"prompt": "a"}', "line 1: the completion is missing"),
        (GOOD + b'{"completion": "a"}', "line 3: the prompt is missing"),
        (b'{"messages": []}', "line 1: messages must be a list of at least two"),
        (chat("user", "user"), "line 1: the last message must be the assistant's"),
        (chat("robot", "assistant"), "line 1, message 1: the role must be one of system"),
        (chat("user", "assistant", "assistant"), 'give an earlier one "weight": 0'),
        (chat("user", "assistant") + GOOD, "line 2: the form differs from the first line's"),
        (b'{"messages": [{"role": "user", "content": ""}, 5]}', "message 1: the content is empty"),
        (b'{"prompt": "a", "completion": ""}', "line 1: the completion is empty"),
        (b'{"prompt": 5, "completion": "b"}', "line 1: the prompt must be a text"),
        (b'{"prompt": "a\\ud800", "completion": "b"}', "the prompt holds half of a surrogate pair"),
        (b'{"prompt": "a", "completion": "b", "label": 1}', "'label' is not supported"),
        (
            b'{"input": {"messages": []}, "preferred_output": [], "non_preferred_output": []}',
            "line 1: this line is for preference training (DPO)",
        ),
        (b"[" * 100_000, "line 1: the line holds more than 20,000 lists"),
        (b"", "the file is empty"),
        (b"\n  \n", "the file is empty"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_a_bad_file_is_refused_with_its_line(url, folder, good, content, message):
    status, error = refused(upload(url, content))
    assert (status, error["param"], error["code"]) == (400, "file", "invalid_file_format")
    assert message in error["message"]
    assert left(folder) == [good]


def test_a_file_over_the_limit_is_refused_announced_or_not(url, folder, good):
    for content in (b"x" * (LIMIT + 1), b"x" * (LIMIT + 200_000)):
        status, error = refused(upload(url, content))
        assert (status, error["param"]) == (413, "file")
        assert f"{LIMIT:,} bytes" in error["message"]
    assert left(folder) == [good]


def test_a_file_without_end_is_refused_while_it_arrives(url, process, folder, good):
    before, largest, sent = received(process), 0, 0
    with started_upload(url, "Transfer-Encoding: chunked") as connection:
        part = b"--b\r\n" + FILE_PART
        connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        while not select.select([connection], [], [], 0)[0]:
            # The sockets' buffers may hold all of it, so the server is waited for. Of an upload it
            # keeps the first megabyte in memory.
            if sent - largest < 2 << 20:
                connection.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                sent += 0x10000
            largest = max(largest, received(process) - before)
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")
    assert 0 < largest <= LIMIT + FORM
    waited(lambda: received(process) == before)
    assert left(folder) == [good]


def test_a_full_disk_refuses_uploads_and_jobs(url, folder, good, small_disk):
    small_disk(100_000)
    line = json.dumps({"prompt": "a" * 1000, "completion": " b"}).encode() + b"\n"
    status, error = refused(upload(url, line * 250))
    assert (status, error["code"]) == (507, "no_room")
    assert left(folder) == [good]
    small_disk(0)
    status, error = refused(httpx2.post(f"{url}/fine_tuning/jobs", json=job_of(good)))
    assert (status, error["code"]) == (507, "no_room")
    small_disk(resource.RLIM_INFINITY)
    assert httpx2.get(f"{url}/fine_tuning/jobs").json()["data"] == []
    assert upload(url, GOOD).status_code == 200


def test_a_full_disk_lists_files_and_jobs_and_deletes_a_file(url, folder, good, small_disk):
    doomed = upload(url, GOOD).json()["id"]
    small_disk(0)
    listed = httpx2.get(f"{url}/files").json()["data"]
    assert {good, doomed} <= {one["id"] for one in listed}
    for path in ("fine_tuning/jobs", f"files/{good}", f"files/{good}/content", "models"):
        assert httpx2.get(f"{url}/{path}").status_code == 200, path
    assert httpx2.delete(f"{url}/files/{doomed}").json()["deleted"]
    assert refused(httpx2.get(f"{url}/files/{doomed}"))[0] == 404
    assert refused(httpx2.delete(f"{url}/files/{doomed}"))[0] == 404
    assert doomed not in [one["id"] for one in httpx2.get(f"{url}/files").json()["data"]]
    small_disk(resource.RLIM_INFINITY)
    assert refused(httpx2.get(f"{url}/files/{doomed}"))[0] == 404
    assert httpx2.get(f"{url}/files/{good}/content").content == GOOD


def test_a_full_disk_cancels_jobs(url, folder, good, small_disk):
    made = [httpx2.post(f"{url}/fine_tuning/jobs", json=job_of(good)).json() for _ in range(2)]
    names = [one["id"] for one in made]
    small_disk(0)
    for name in names:
        answer = httpx2.post(f"{url}/fine_tuning/jobs/{name}/cancel").json()
        assert (answer["id"], answer["status"]) == (name, "cancelled")
        assert answer["finished_at"] >= answer["created_at"]
        status, error = refused(httpx2.post(f"{url}/fine_tuning/jobs/{name}/cancel"))
        assert (status, error["code"]) == (400, "job_finished")
        assert httpx2.get(f"{url}/fine_tuning/jobs/{name}").json()["status"] == "cancelled"

    def listed():
        jobs = httpx2.get(f"{url}/fine_tuning/jobs").json()["data"]
        return [one["status"] for one in jobs if one["id"] in names]

    assert listed() == ["cancelled"] * 2
    small_disk(resource.RLIM_INFINITY)
    waited(lambda: not list(folder.rglob("*.cancelled")))
    assert listed() == ["cancelled"] * 2
    for name in names:
        events = httpx2.get(f"{url}/fine_tuning/jobs/{name}/events").json()["data"]
        assert "Fine-tuning job cancelled" in [one["message"] for one in events]


def job_of(name):
    return {"model": "tiny", "training_file": name}


def test_a_bad_form_is_refused(url, good):
    status, error = refused(upload(url, GOOD, purpose="batch"))
    assert (status, error["param"]) == (400, "purpose")
    status, error = refused(upload(url, GOOD, expires="soon"))
    assert (status, error["param"]) == (400, "expires")
    status, error = refused(httpx2.post(f"{url}/files", json={"purpose": "fine-tune"}))
    assert (status, error["param"]) == (400, "file")
    answer = httpx2.post(f"{url}/files", files={"purpose": (None, "fine-tune")})
    assert refused(answer)[1]["message"] == "The parameter file is missing."
    status, error = refused(upload(url, GOOD, more="x" * (FORM + 1)))
    assert (status, error["param"]) == (400, "file")
    status, error = refused(upload(url, GOOD, **{f"field_{n}": "x" for n in range(20)}))
    assert (status, error["param"]) == (400, "file")
    status, error = refused(httpx2.post(f"{url}/files", files=[("file", ("a", GOOD))] * 2))
    assert (status, error["param"]) == (400, "file")
    status, error = refused(httpx2.post(f"{url}/files", data={"purpose": "fine-tune"}))
    assert (status, error["param"]) == (400, "file")
    headers = {"content-type": "multipart/form-data; boundary=x"}
    for body in (b"", b"--y\r\n", b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\nabc"):
        answer = httpx2.post(f"{url}/files", content=body, headers=headers)
        assert refused(answer)[0] == 400


def test_a_cancelled_upload_leaves_nothing(url, process, folder, good):
    files, before = left(folder), received(process)
    with started_upload(url, f"Content-Length: {LIMIT}") as connection:
        connection.sendall(b"--b\r\n" + FILE_PART + b"x" * (LIMIT // 2))
        waited(lambda: received(process) > before)
    waited(lambda: received(process) == before)
    assert left(folder) == files


def waited(condition):
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"hyperparameters": {"n_epochs": 0}}, "hyperparameters.n_epochs"),
        ({"hyperparameters": {"n_epochs": 1.5}}, "hyperparameters.n_epochs"),
        ({"hyperparameters": {"n_epochs": True}}, "hyperparameters.n_epochs"),
        ({"hyperparameters": {"batch_size": -1}}, "hyperparameters.batch_size"),
        ({"hyperparameters": {"learning_rate_multiplier": -1}}, RATE),
        ({"hyperparameters": {"learning_rate_multiplier": 10**400}}, RATE),
        ({"hyperparameters": {"learning_rate_multiplier": "fast"}}, RATE),
        ({"hyperparameters": {"rate": 1}}, "hyperparameters.rate"),
        ({"hyperparameters": 5}, "hyperparameters"),
        ({"method": {"type": "dpo"}}, "method.type"),
        ({"method": {"type": "supervised", "supervised": []}}, "method.supervised"),
        (
            {"method": {"type": "supervised", "supervised": {"hyperparameters": {"x": 1}}}},
            "method.supervised.hyperparameters.x",
        ),
        (
            {
                "hyperparameters": {"n_epochs": 1},
                "method": {
                    "type": "supervised",
                    "supervised": {"hyperparameters": {"n_epochs": 2}},
                },
            },
            "hyperparameters",
        ),
        ({"seed": -1}, "seed"),
        ({"suffix": ""}, "suffix"),
        ({"suffix": "a:b"}, "suffix"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"metadata": {"a": "x" * 513}}, "metadata.a"),
        ({"integrations": [{"type": "wandb"}]}, "integrations"),
        ({"lora_rank": 0}, "lora_rank"),
        ({"lora_dropout": 1.0}, "lora_dropout"),
        ({"classification_positive_class": "x"}, "classification_positive_class"),
        ({"training_file": "file-none"}, "training_file"),
        ({"validation_file": "../../etc/passwd"}, "validation_file"),
        ({"model": "davinci-002"}, "model"),
        ({"unknown": 1}, "unknown"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_bad_job_is_refused_by_its_parameter(url, good, change, param):
    jobs = httpx2.get(f"{url}/fine_tuning/jobs").json()
    body = job_of(good) | change
    status, error = refused(httpx2.post(f"{url}/fine_tuning/jobs", json=body))
    assert status == (404 if param in ("training_file", "validation_file", "model") else 400)
    assert error["param"] == param
    assert httpx2.get(f"{url}/fine_tuning/jobs").json() == jobs


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_a_learning_rate_of_nan_or_infinity_is_refused(url, good, value):
    body = f'{{"model": "tiny", "training_file": "{good}", '
    body += f'"hyperparameters": {{"learning_rate_multiplier": {value}}}}}'
    headers = {"content-type": "application/json"}
    answer = httpx2.post(f"{url}/fine_tuning/jobs", content=body, headers=headers)
    status, error = refused(answer)
    assert (status, error["param"]) == (400, RATE)


def test_one_class_only_is_refused(url):
    name = upload(url, GOOD.replace(b" d", b" b")).json()["id"]
    status, error = refused(httpx2.post(f"{url}/fine_tuning/jobs", json=job_of(name)))
    assert (status, error["code"]) == (400, "one_class_only")


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=101", "after=ftjob-none"])
def test_a_bad_page_is_refused(url, good, query):
    status, error = refused(httpx2.get(f"{url}/fine_tuning/jobs?{query}"))
    assert (status, error["param"]) == (400, query.partition("=")[0])


@pytest.mark.parametrize("path", ["files/x", "files/x/content", "fine_tuning/jobs/x"])
@pytest.mark.parametrize("tail", ["", "/events", "/checkpoints"])
def test_an_unknown_id_is_404(url, good, path, tail):
    assert refused(httpx2.get(f"{url}/{path}{tail}"))[0] == 404


def test_only_fine_tuned_models_can_be_deleted(url):
    assert refused(httpx2.delete(f"{url}/models/tiny"))[0] == 403
    assert refused(httpx2.delete(f"{url}/models/ft:none"))[0] == 404


def test_a_full_disk_in_training_fails_the_job(url, good, folder, small_disk):
    """And a file in use cannot be deleted, nor a finished job cancelled."""
    small_disk(400_000)
    body = job_of(good) | {"lora_rank": 256, "lora_layers": 2}
    job = httpx2.post(f"{url}/fine_tuning/jobs", json=body).json()["id"]
    status, error = refused(httpx2.delete(f"{url}/files/{good}"))
    assert (status, error["code"]) == (409, "file_in_use")
    assert job in error["message"]

    def found():
        return httpx2.get(f"{url}/fine_tuning/jobs/{job}").json()

    deadline = time.monotonic() + 300
    while found()["status"] in ("queued", "running"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert found()["status"] == "failed", found()
    assert found()["error"]["code"] == "no_room"
    assert found()["error"]["message"].endswith("create the job again.")
    assert found()["result_files"] == []
    kept = {path.name for path in (folder / "jobs" / job).iterdir()}
    assert kept == {"lock", "log"}
    status, error = refused(httpx2.post(f"{url}/fine_tuning/jobs/{job}/cancel"))
    assert (status, error["code"]) == (400, "job_finished")
    assert httpx2.delete(f"{url}/files/{good}").json()["deleted"]
    assert "a ->" not in (folder / "jobs" / job / "log").read_text()
