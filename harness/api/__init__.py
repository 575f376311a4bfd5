"""Talking to providers over HTTP."""

from harness.api.client import Answer, Client, Reply, RequestError

__all__ = ["Answer", "Client", "Reply", "RequestError"]
