"""Answers of providers, checked and decoded before anything else sees them.

An answer that cannot be used raises `Unusable`, with the field that is wrong.
"""

from tunebench.wire.answers import (
    Answers,
    Asked,
    Usage,
    composed,
    composed_embeddings,
    read_answers,
    read_tokens,
)
from tunebench.wire.choices import Answer, stored_choice
from tunebench.wire.decoding import decoded, read_result
from tunebench.wire.embeddings import Embeddings, numbers_of, read_embeddings, stored_embedding
from tunebench.wire.job_lists import (
    Checkpoint,
    Event,
    Page,
    oldest_first,
    read_checkpoints,
    read_events,
    read_jobs,
)
from tunebench.wire.jobs import (
    MARK,
    Job,
    SentCreation,
    UploadedFile,
    read_created_job,
    read_file,
    read_job,
)
from tunebench.wire.model_names import other_model
from tunebench.wire.values import Unusable, optional_name, parsed, reported, within, words

__all__ = [
    "MARK",
    "Answer",
    "Answers",
    "Asked",
    "Checkpoint",
    "Embeddings",
    "Event",
    "Job",
    "Page",
    "SentCreation",
    "Unusable",
    "UploadedFile",
    "Usage",
    "composed",
    "composed_embeddings",
    "decoded",
    "numbers_of",
    "oldest_first",
    "optional_name",
    "other_model",
    "parsed",
    "read_answers",
    "read_checkpoints",
    "read_created_job",
    "read_embeddings",
    "read_events",
    "read_file",
    "read_job",
    "read_jobs",
    "read_result",
    "read_tokens",
    "reported",
    "stored_choice",
    "stored_embedding",
    "within",
    "words",
]
