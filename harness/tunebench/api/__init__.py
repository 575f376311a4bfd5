"""Requests to providers over HTTP: completions, chats, fine-tuning jobs."""

from tunebench.api.answers import Answer, Prompt, endpoint_of
from tunebench.api.client import Client, Reply
from tunebench.api.fine_tuning import (
    FineTuned,
    JobSpec,
    Monitor,
    Upload,
    events_of,
    fine_tune,
)
from tunebench.api.job_requests import JobRequests
from tunebench.api.local import LOCAL, LocalProvider
from tunebench.api.pacing import Pacer
from tunebench.api.probing import Findings, probe

__all__ = [
    "LOCAL",
    "Answer",
    "Client",
    "Findings",
    "FineTuned",
    "JobRequests",
    "JobSpec",
    "LocalProvider",
    "Monitor",
    "Pacer",
    "Prompt",
    "Reply",
    "Upload",
    "endpoint_of",
    "events_of",
    "fine_tune",
    "probe",
]
