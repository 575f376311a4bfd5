import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tunebench.api import Client

from ..job_specs import MemoryJournal, Teller


@pytest.fixture
def client(loopback) -> Iterator[Client]:
    """A client that repeats what fails, of a provider on this machine."""
    with Client(loopback.url, "sk-any", retries=2) as client:
        yield client


@pytest.fixture
def connect(loopback) -> Iterator[Callable[..., Client]]:
    """Connect to a provider on this machine, with a client's own options."""
    clients = []

    def connect(url: str = loopback.url, key: str = "sk-any", **options: Any) -> Client:
        clients.append(Client(url, key, **options))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def teller() -> Teller:
    """Keeps what it is told of a job."""
    return Teller()


@pytest.fixture
def journal() -> MemoryJournal:
    """Keeps what was noted of a job's creation."""
    return MemoryJournal()


@pytest.fixture
def unused_port() -> int:
    """A port of this machine at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
