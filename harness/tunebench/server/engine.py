"""What computes: the protocol between the HTTP server and its two engines.

The local engine computes on this machine, the one in ``cluster`` on the machines of a Ray cluster.
The command chooses; nothing else knows which one it is.
"""

from collections.abc import Sequence
from typing import Protocol

from fastapi import APIRouter


class JobProcess(Protocol):
    """The training of one job, wherever it runs."""

    @property
    def returncode(self) -> int | None:
        """How it has ended: 0, or a status or negative signal of an end without a result."""

    def poll(self) -> int | None:
        """The same, looked up again; None while it runs."""

    def kill(self) -> None:
        """End it, and wait until it has ended."""


class Engine(Protocol):
    """Answers the requests that need a model, and trains jobs."""

    def routers(self) -> Sequence[APIRouter]:
        """The routes of completions, chats, responses, embeddings and tokenizers."""

    @property
    def loaded(self) -> Sequence[str] | None:
        """The models that are in memory; None if that is not known here."""

    def check_job(self) -> None:
        """Refuse a job that could never start.

        Raises:
            ApiError: 400, with what is missing.
        """

    def start_job(self, name: str) -> JobProcess:
        """Start the training of a job that is in the database.

        Raises:
            OSError: it cannot be started.
        """

    def close(self, timeout: float) -> bool:
        """Drop what waits; whether all threads have ended."""
