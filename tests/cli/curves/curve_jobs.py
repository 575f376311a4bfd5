"""A job with a result file, a job that diverged, and ``tunebench curves`` on them."""

import xml.etree.ElementTree as ET

from tunebench.cassettes.fingerprint import digest_of, text_sha256
from tunebench.cassettes.lines import RequestLine, Row
from tunebench.cli import main

CONTENT = """\
step,elapsed_tokens,elapsed_examples,training_loss,training_token_accuracy,validation_loss,\
validation_sequence_accuracy,classification/accuracy,classification/precision,\
classification/recall,classification/auroc,classification/auprc,classification/f1.0
1,100,8,0.75,0.5,,,,,,,,
2,210,16,0.25,0.625,0.5,0.75,0.75,0.6,0.7,,0.8,0.65
3,330,24,0.125,1.0,,,,,,,,
4,440,32,0.375,1.0,0.25,0.875,0.875,0.8,0.9,0.95,0.96,0.85
"""
JOB = {
    "id": "ftjob-7",
    "object": "fine_tuning.job",
    "created_at": 1000,
    "finished_at": 1090,
    "model": "tiny",
    "fine_tuned_model": "ft:tiny:tunebench:x:7",
    "result_files": ["file-9"],
    "status": "succeeded",
    "trained_tokens": 440,
    "hyperparameters": {"n_epochs": 2},
    "error": None,
}
RUNNING = JOB | {
    "finished_at": None,
    "fine_tuned_model": None,
    "result_files": [],
    "status": "running",
    "trained_tokens": None,
}
DIVERGED = """\
step,training_loss,validation_loss,classification/accuracy
1,0.5,,
2,inf,nan,0.5
3,0.75,,
4,0.25,-inf,0.75
5,1e999,0.5,NaN
"""


def curves(*arguments):
    return main(["curves", *map(str, arguments)])


def event(number, **data):
    return {
        "id": f"ftevent-{number}",
        "object": "fine_tuning.job.event",
        "created_at": 1000 + number // 2,
        "level": "info",
        "message": f"event {number}",
        "type": "metrics" if data else "message",
        "data": data,
    }


def answered(number, endpoint, body):
    line = RequestLine(digest_of(endpoint, {}), endpoint)
    prompt = text_sha256(str(number))
    came = "2026-11-22T20:00:00+00:00"
    return line, [Row(prompt, line.id, None, came, 1.0, 1, (None, None), body)]


def texts(path):
    """The texts in a figure."""
    root = ET.parse(path).getroot()
    return {"".join(node.itertext()).strip() for node in root.iter() if node.tag.endswith("}text")}
