"""Metrics of a network in training: losses, accuracies, and those of a classifier."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from tunebench.server.tuning.batches import Batch, Encoded, Encoder, make
from tunebench.server.tuning.classification import measures
from tunebench.server.tuning.examples import Example
from tunebench.server.tuning.group import Group
from tunebench.server.tuning.job_requests import Plan

Logits = Callable[[Batch], torch.Tensor]


class Scores:
    """Loss and accuracies over batches."""

    def __init__(self) -> None:
        self._loss = 0.0
        self._tokens = self._right_tokens = 0
        self._sequences = self._right_sequences = 0

    def add(self, batch: Batch, logits: torch.Tensor, loss: float) -> None:
        """Add a batch: its logits, shape (targets, vocabulary), and the sum of its losses."""
        right = logits.argmax(dim=-1) == batch.targets
        count = len(batch.members)
        wrong = torch.zeros(count, dtype=torch.long, device=right.device)
        wrong.index_add_(0, batch.rows, (~right).long())
        self._loss += loss
        self._tokens += len(right)
        self._right_tokens += int(right.sum())
        self._sequences += count
        self._right_sequences += int((wrong == 0).sum())

    def sum(self, group: Group) -> None:
        """Add what the other workers have."""
        if group.size == 1:
            return
        counts = (self._tokens, self._right_tokens, self._sequences, self._right_sequences)
        sums = torch.tensor([self._loss, *counts], dtype=torch.double)
        group.sum([sums])
        self._loss, *others = sums.tolist()
        self._tokens, self._right_tokens, self._sequences, self._right_sequences = map(int, others)

    def means(self, kind: str) -> dict[str, float | None]:
        """The means; ``kind`` is ``training`` or ``validation``."""
        return {
            f"{kind}_loss": self._loss / self._tokens,
            f"{kind}_sequence_accuracy": self._right_sequences / self._sequences,
            f"{kind}_token_accuracy": self._right_tokens / self._tokens,
        }


class Evaluation:
    """A validation file, and the labels among which its rows are classified.

    Attributes:
        batches: all that the network is run on by this worker.
        labels: the distinct completions; empty if the task is not a classification.
        cut: how many prompts have lost their beginning.
    """

    def __init__(
        self,
        encoder: Encoder,
        plan: Plan,
        training: Sequence[Example],
        validation: Sequence[Example],
        group: Group | None = None,
    ) -> None:
        self._group = group or Group()
        self.labels = _labels(training, validation)
        self._truth = np.array([self.labels.get(one.completion, 0) for one in validation])
        named = (plan.positive_class or "").strip()
        classes = {label.strip(): number for label, number in self.labels.items()}
        self._positive = classes.get(named) if named else None
        rows = [encoder.encode(one) for one in validation]
        self.cut = sum(row.is_cut for row in rows)
        self._count = len(rows)
        mine = slice(self._group.rank, None, self._group.size)
        self._own = self._placed(make(rows, plan.batch_size, plan.seed)[mine])
        self._label_ids = [encoder.completion(label) for label in self.labels]
        # Labels of one token are all read from one place; for longer ones the network is run.
        self._short = all(len(ids) == 1 for ids in self._label_ids)
        tried: list[Encoded] = []
        if not self._short:
            tried = [Encoded(row.prompt, ids) for row in rows for ids in self._label_ids]
        made = make(tried, plan.batch_size, plan.seed)[mine] if tried else []
        self._tried = self._placed(made)
        self.batches = self._own + self._tried

    def _placed(self, batches: Sequence[Batch]) -> list[Batch]:
        return [batch.to(self._group.device) for batch in batches]

    @torch.no_grad()
    def measure(self, logits_of: Logits) -> dict[str, float | None]:
        """All metrics, in the columns of OpenAI's result files."""
        sums = Scores()
        scores = np.zeros((self._count, max(1, len(self.labels))))
        for batch in self._own:
            logits = logits_of(batch)
            loss = torch.nn.functional.cross_entropy(logits, batch.targets, reduction="sum")
            sums.add(batch, logits, loss.item())
            if self._short and self.labels:
                self._read(batch, logits, scores)
        for batch in self._tried:
            self._try(batch, logits_of(batch), scores)
        # Each worker has filled in its own places; the others are 0.
        sums.sum(self._group)
        self._group.sum([torch.from_numpy(scores)])
        found = sums.means("validation")
        return found | (measures(scores, self._truth, self._positive) if self.labels else {})

    def _read(self, batch: Batch, logits: torch.Tensor, scores: np.ndarray) -> None:
        first = torch.ones_like(batch.rows, dtype=torch.bool)
        first[1:] = batch.rows[1:] != batch.rows[:-1]
        columns = [ids[0] for ids in self._label_ids]
        found = logits[first].log_softmax(dim=-1)[:, columns]
        scores[list(batch.members)] = found.cpu().numpy()

    def _try(self, batch: Batch, logits: torch.Tensor, scores: np.ndarray) -> None:
        found = logits.log_softmax(dim=-1).gather(1, batch.targets[:, None])[:, 0].double()
        sums = torch.zeros(len(batch.members), dtype=torch.double, device=found.device)
        sums.index_add_(0, batch.rows, found)
        # Labels come in the same order for each row, as in `scores`.
        scores.flat[list(batch.members)] = sums.cpu().numpy()


def _labels(training: Sequence[Example], validation: Sequence[Example]) -> dict[str, int]:
    """The distinct completions, numbered in their order; empty if they hardly repeat."""
    found = sorted({one.completion for one in [*training, *validation]})
    few = len(found) == 2 or len(found) < len(training) / 3
    return {label: number for number, label in enumerate(found)} if few else {}
