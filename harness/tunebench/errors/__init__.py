"""Errors of one sentence each, and text from elsewhere made safe to print."""

from tunebench.errors.base import (
    CassetteError,
    CassetteMissError,
    CellError,
    ConfigurationError,
    DatasetError,
    ExperimentError,
    JobError,
    NetworkBlockedError,
    RecordingError,
    RequestError,
    ResultsError,
    TunebenchError,
    UsageError,
)
from tunebench.errors.suggestions import did_you_mean, nearest
from tunebench.errors.text import (
    hidden,
    holds_control,
    keep_secret,
    named_at,
    printable,
    without_secrets,
)
from tunebench.errors.unexpected import describe_error

__all__ = [
    "CassetteError",
    "CassetteMissError",
    "CellError",
    "ConfigurationError",
    "DatasetError",
    "ExperimentError",
    "JobError",
    "NetworkBlockedError",
    "RecordingError",
    "RequestError",
    "ResultsError",
    "TunebenchError",
    "UsageError",
    "describe_error",
    "did_you_mean",
    "hidden",
    "holds_control",
    "keep_secret",
    "named_at",
    "nearest",
    "printable",
    "without_secrets",
]
