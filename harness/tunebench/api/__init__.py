"""Requests to providers over HTTP: completions, chats, fine-tuning jobs."""

from tunebench.api.client import Client
from tunebench.api.fine_tuning import FineTuned, events_of, fine_tune, follow
from tunebench.api.job_requests import JobRequests
from tunebench.api.job_spec import JobSpec, Monitor, Upload
from tunebench.api.local import LocalProvider
from tunebench.api.pacing import Pacer
from tunebench.api.probing import Findings, NoAnswerError, probe
from tunebench.api.prompts import Prompt, endpoint_of
from tunebench.api.refusals import is_model_missing, is_unreachable
from tunebench.wire import Answer

__all__ = [
    "Answer",
    "Client",
    "Findings",
    "FineTuned",
    "JobRequests",
    "JobSpec",
    "LocalProvider",
    "Monitor",
    "NoAnswerError",
    "Pacer",
    "Prompt",
    "Upload",
    "endpoint_of",
    "events_of",
    "fine_tune",
    "follow",
    "is_model_missing",
    "is_unreachable",
    "probe",
]
