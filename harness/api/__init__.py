"""Talking to providers over HTTP."""

from harness.api.answers import Answer, Prompt, RequestError
from harness.api.client import Client, Reply

__all__ = ["Answer", "Client", "Prompt", "Reply", "RequestError"]
