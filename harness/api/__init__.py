"""Talking to providers over HTTP."""

from harness.api.answers import Answer, Prompt, RequestError
from harness.api.client import Client, Reply
from harness.api.pacing import Pacer

__all__ = ["Answer", "Client", "Pacer", "Prompt", "Reply", "RequestError"]
