"""Files and fine-tuning jobs as a provider keeps them, with a switch for each fault."""

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

START = 1_800_000_000
CSV = b"step,train_loss\n1,0.5\n2,0.25\n"


@dataclass
class Form:
    """An uploaded form: the names of its parts in their order, and what they hold."""

    parts: list[str]
    fields: dict[str, bytes]
    file_name: str


@dataclass
class JobsProvider:
    """What a `Loopback` answers once `answer` is its answer.

    A job stands still until `sleep` is called, which whoever polls it calls instead of
    `time.sleep`; each call takes every job one step further along `states`.

    Attributes:
        states: of a job, from its creation on.
        page: at most so many entries a page.
        ignores_filter: lists all jobs, whatever metadata are asked for.
        cuts_off: closes the connection instead of answering, once a job has been created.
        refusal: the answer to a job's creation, which then creates none.
        error: what a job that fails says.
        makes_a_model: what has succeeded names a model.
        result: the content of the result file; None for no such file.
        extra: further fields of every job.
        file_states: of an upload, from its creation on; each nap takes it one further.
    """

    said: Any
    complete: Any
    states: list[str] = field(
        default_factory=lambda: ["queued", "queued", "running", "running", "succeeded"]
    )
    page: int = 100
    ignores_filter: bool = False
    cuts_off: bool = False
    refusal: Any = None
    error: str = "the training file has no two classes."
    makes_a_model: bool = True
    result: bytes | None = CSV
    extra: dict[str, Any] = field(default_factory=dict)
    file_states: list[str] = field(default_factory=lambda: ["processed"])
    forms: dict[str, Form] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    events: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    checkpoints: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    naps: list[float] = field(default_factory=list)

    def count(self, request: str) -> int:
        """How often a method and path, as ``POST /files``, was asked."""
        return self.requests.count(request)

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        for job in self.jobs:
            self._advance(job)
        self.files = {name: step + 1 for name, step in self.files.items()}

    def finish(self, job: dict[str, Any]) -> None:
        """Take a job to its end."""
        for _ in self.states:
            self._advance(job)

    def add_job(self, metadata: dict[str, str], status: str = "queued") -> dict[str, Any]:
        """A job that is there already."""
        number = len(self.jobs) + 1
        job = {
            "id": f"ftjob-{number}",
            "object": "fine_tuning.job",
            "created_at": START + 1000 * number,
            "finished_at": None,
            "model": "base",
            "fine_tuned_model": None,
            "organization_id": "org-payer-77",
            "status": status,
            "metadata": metadata,
            "hyperparameters": {"n_epochs": 4},
            "result_files": [],
            "trained_tokens": None,
            "error": None,
            "step": 0,
            **self.extra,
        }
        self.jobs.append(job)
        self.events[job["id"]], self.checkpoints[job["id"]] = [], []
        self._tell(job, f"Created fine-tuning job: {job['id']}")
        return job

    def answer(self, asked: Any) -> Any:
        self.headers.append(asked.headers)
        url = urlsplit(asked.path)
        path = url.path.removeprefix("/v1")
        request = f"{'POST' if asked.body else 'GET'} {path}"
        self.requests.append(request)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if request == "POST /files":
            return self._upload(asked)
        if request == "POST /fine_tuning/jobs":
            return self._create(asked.fields)
        if request == "GET /fine_tuning/jobs":
            return self._listing(self.jobs, query)
        if match := re.fullmatch(r"GET /fine_tuning/jobs/([^/]+)(/events|/checkpoints)?", request):
            name, part = match.groups()
            if part:
                kept = self.events if part == "/events" else self.checkpoints
                return self._listing(kept[name], query)
            return self.said(next(job for job in self.jobs if job["id"] == name))
        if match := re.fullmatch(r"GET /files/([^/]+)", request):
            return self.said(self._file(match[1]))
        if path.endswith("/content"):
            return self.said(self.result or b"", headers={"Content-Type": "application/octet"})
        return self.complete(asked)

    def _upload(self, asked: Any) -> Any:
        boundary = asked.headers["content-type"].partition("boundary=")[2].encode()
        parts, fields, file_name = [], {}, ""
        for part in asked.body.split(b"--" + boundary)[1:-1]:
            head, _, content = part.partition(b"\r\n\r\n")
            name = re.search(rb'; name="([^"]+)"', head)[1].decode()
            parts.append(name)
            fields[name] = content.removesuffix(b"\r\n")
            if found := re.search(rb'filename="([^"]+)"', head):
                file_name = found[1].decode()
        name = f"file-{len(self.forms) + 1}"
        self.forms[name] = Form(parts, fields, file_name)
        self.files[name] = 0
        return self.said(self._file(name))

    def _file(self, name: str) -> dict[str, Any]:
        status = self.file_states[min(self.files[name], len(self.file_states) - 1)]
        details = "line 3 is not JSON." if status == "error" else None
        return {"id": name, "object": "file", "status": status, "status_details": details}

    def _create(self, body: dict[str, Any]) -> Any:
        self.bodies.append(body)
        if self.refusal is not None:
            return self.refusal
        job = self.add_job(body["metadata"], self.states[0])
        job["model"] = body["model"]
        answer = self.said(json.loads(json.dumps(job)))
        answer.cut_off = self.cuts_off
        return answer

    def _listing(self, entries: list[dict[str, Any]], query: dict[str, str]) -> Any:
        """A page of a list, the newest first."""
        wanted = {k[9:-1]: v for k, v in query.items() if k.startswith("metadata[")}
        found = entries[::-1]
        if not self.ignores_filter:
            found = [e for e in found if wanted.items() <= (e.get("metadata") or {}).items()]
        if "after" in query:
            found = found[[entry["id"] for entry in found].index(query["after"]) + 1 :]
        size = min(int(query.get("limit", 20)), self.page)
        return self.said({"object": "list", "data": found[:size], "has_more": len(found) > size})

    def _advance(self, job: dict[str, Any]) -> None:
        before, job["step"] = job["status"], job["step"] + 1
        if before in ("succeeded", "failed", "cancelled"):
            return
        status = job["status"] = self.states[min(job["step"], len(self.states) - 1)]
        if status == "running":
            if before != "running":
                self._tell(job, "Fine-tuning job started")
            step = len(self.checkpoints[job["id"]]) + 1
            data = {"step": step, "total_steps": 2, "train_loss": 0.5 / step}
            self._tell(job, f"Step {step}/2: training loss={0.5 / step}", data)
            self.checkpoints[job["id"]].append(
                {"id": f"ftckpt-{step}", "step_number": step, "metrics": {"step": step}}
            )
        if status in ("succeeded", "failed", "cancelled"):
            job["finished_at"] = job["created_at"] + 10 * job["step"]
            self._tell(job, f"The job has {status}")
        if status == "failed":
            job["error"] = {"code": "bad", "message": self.error, "param": None}
        if status == "succeeded":
            job["trained_tokens"] = 4321
            job["fine_tuned_model"] = f"ft:base:{job['id']}" if self.makes_a_model else None
            job["result_files"] = [] if self.result is None else ["file-result"]

    def _tell(self, job: dict[str, Any], message: str, data: Any = None) -> None:
        events = self.events[job["id"]]
        events.append(
            {
                "id": f"ftevent-{len(events) + 1}",
                "object": "fine_tuning.job.event",
                "created_at": job["created_at"] + 10 * job["step"],
                "level": "info",
                "message": message,
                "type": "metrics" if data else "message",
                "data": data or {},
            }
        )
