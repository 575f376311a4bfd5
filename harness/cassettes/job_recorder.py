"""The cassette of a fine-tuning job.

A job is polled until it has ended, so the same request is answered differently as time goes by.
Stored are its changes of state, in their order, and what is read of it once it has ended. A replay
is told the same states one after the other, without waiting between them.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from harness.cassettes.fingerprint import endpoint_of, request_key
from harness.cassettes.misses import CassetteMissError
from harness.cassettes.recorder import RecordedCassette

if TYPE_CHECKING:
    from collections.abc import Callable

    from vcr.request import Request

    from harness.cassettes.store import Row

_CREATION = "POST fine_tuning/jobs"
_LIST = re.compile(r"GET fine_tuning/jobs(\?.*)?")
_STATE = re.compile(r"GET fine_tuning/jobs/[^/?]+")
_READ = re.compile(r"GET (fine_tuning/jobs/[^/?]+|files)/.*")
_ENDED = ("succeeded", "failed", "cancelled")


class JobCassette(RecordedCassette):
    """A `RecordedCassette` of the traffic of one fine-tuning job."""

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(path, **options)
        self._turn = 0
        self._status = ""

    def _key(self, request: Request) -> str:
        endpoint = endpoint_of(request.method, request.uri)
        if _STATE.fullmatch(endpoint):
            return _state_key(endpoint, self._turn)
        return super()._key(request)

    def _plays(self, key: str, endpoint: str) -> bool:
        if key not in self.file:
            name, path = self.file.header["recording"], self.file.path
            if not self.recording and self._turn and _STATE.fullmatch(endpoint):
                raise CassetteMissError(
                    f"{name}: the recording in {path} was stopped while the job was "
                    f"{self._status}; {self.hint}, which goes on with it."
                )
            if not self.recording and self.file.exists and _LIST.fullmatch(endpoint):
                raise CassetteMissError(
                    f"{name}: {path} holds another job than the one this is: the training rows, "
                    "the model or its fine-tuning options have changed; undo that change, or "
                    f"{self.hint}."
                )
            return False
        if self.recording and _LIST.fullmatch(endpoint):
            # That there was no such job was true when it was asked.
            return self._has_job_after(lambda row: row["key"] == key)
        return True

    def play_response(self, request: Request) -> dict[str, Any]:
        """The recorded answer; a job's states in turn, its end again and again."""
        response = super().play_response(request)
        endpoint = endpoint_of(request.method, request.uri)
        if _STATE.fullmatch(endpoint):
            self._status = json.loads(response["body"]["string"])["status"]
            more = _state_key(endpoint, self._turn + 1) in self.file
            if more or self._status not in _ENDED:
                self._turn += 1
        return response

    def _keeps(self, row: Row) -> bool:
        if _STATE.fullmatch(row.endpoint):
            status = row.body["status"]
            if status == self._status:
                return False
            self._status = status
            self._turn += status not in _ENDED
        elif _LIST.fullmatch(row.endpoint):
            return row.key not in self.file or bool(self._body(row.key) != row.body)
        elif _READ.fullmatch(row.endpoint):
            # Until a job has ended its events are read to be shown, and there will be more.
            return self._status in _ENDED
        return True

    def _stored(self, body: Any) -> Any:
        """Without the name of the organization that pays, which clients need to be there."""
        if isinstance(body, dict):
            if "organization_id" in body:
                body = body | {"organization_id": ""}
            if isinstance(body.get("data"), list):
                body = body | {"data": [self._stored(entry) for entry in body["data"]]}
        return body

    def _body(self, key: str) -> Any:
        return json.loads(self.file.answer(key).body)

    def holds_job(self, mark: str) -> bool:
        """Whether the job of this ``tunebench_job`` was created, or found and followed."""
        return self._has_job_after(lambda row: mark in row["endpoint"])

    def _has_job_after(self, is_search: Callable[[dict[str, Any]], bool]) -> bool:
        """Whether a job follows the row of the search for it; what comes before is another's."""
        searched = False
        for row in self.file.rows():
            if searched and (row["endpoint"] == _CREATION or _STATE.fullmatch(row["endpoint"])):
                return True
            searched = searched or is_search(row)
        return False


def _state_key(endpoint: str, turn: int) -> str:
    return request_key(f"{endpoint} {turn}", b"")
