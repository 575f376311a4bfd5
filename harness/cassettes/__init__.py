"""Recorded traffic: what goes into a cassette and how it is found again."""

from harness.cassettes.fingerprint import CassetteError
from harness.cassettes.job_recorder import JobCassette
from harness.cassettes.misses import CassetteMissError
from harness.cassettes.network import NetworkBlockedError, blocked_network
from harness.cassettes.recorder import (
    LATENCY_HEADER,
    RECORDED_AT_HEADER,
    RecordedCassette,
    item_index,
    use_cassette,
)
from harness.cassettes.store import CassetteFile

__all__ = [
    "LATENCY_HEADER",
    "RECORDED_AT_HEADER",
    "CassetteError",
    "CassetteFile",
    "CassetteMissError",
    "JobCassette",
    "NetworkBlockedError",
    "RecordedCassette",
    "blocked_network",
    "item_index",
    "use_cassette",
]
