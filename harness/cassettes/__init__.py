"""Recorded traffic: what goes into a cassette and how it is found again."""

from harness.cassettes.job_recorder import JobCassette, Sent
from harness.cassettes.lines import CassetteError
from harness.cassettes.misses import CassetteMissError
from harness.cassettes.network import NetworkBlockedError, blocked_network
from harness.cassettes.recorder import RecordedCassette, item_index, use_cassette
from harness.cassettes.store import CassetteFile

__all__ = [
    "CassetteError",
    "CassetteFile",
    "CassetteMissError",
    "JobCassette",
    "NetworkBlockedError",
    "RecordedCassette",
    "Sent",
    "blocked_network",
    "item_index",
    "use_cassette",
]
