"""Evaluation of a cell: prompts, requests, fine-tuning, recording, reading."""

from tunebench.evaluation.budget import Budget
from tunebench.evaluation.calibration import texts_to_answer
from tunebench.evaluation.connections import StartedProvider, key_of
from tunebench.evaluation.embeddings import rival_recording
from tunebench.evaluation.estimate import estimates
from tunebench.evaluation.inputs import (
    State,
    dataset_of,
    forget_inputs,
    prompts_of,
    test_rows,
    train_rows,
)
from tunebench.evaluation.items import (
    is_data_here,
    items_path,
    prompt_sha256_of,
    recalled_of,
    test_texts,
)
from tunebench.evaluation.items_writing import Items
from tunebench.evaluation.judgements import judge
from tunebench.evaluation.recording import Progress, orphans
from tunebench.evaluation.result import Result
from tunebench.evaluation.rules import RULES
from tunebench.evaluation.runner import Runner
from tunebench.evaluation.training_inputs import rival_texts, rows_of

__all__ = [
    "RULES",
    "Budget",
    "Items",
    "Progress",
    "Result",
    "Runner",
    "StartedProvider",
    "State",
    "dataset_of",
    "estimates",
    "forget_inputs",
    "is_data_here",
    "items_path",
    "judge",
    "key_of",
    "orphans",
    "prompt_sha256_of",
    "prompts_of",
    "recalled_of",
    "rival_recording",
    "rival_texts",
    "rows_of",
    "test_rows",
    "test_texts",
    "texts_to_answer",
    "train_rows",
]
