"""Training: LoRA on the upper layers, with the loss on the completions only."""

import io
import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from tunebench.errors import JobError
from tunebench.server.inference.head import Head
from tunebench.server.inference.language_model import context_length
from tunebench.server.inference.weights import whole_folder
from tunebench.server.tuning import lora
from tunebench.server.tuning.batches import Batch, Encoder, make
from tunebench.server.tuning.evaluation import Evaluation, Scores
from tunebench.server.tuning.examples import Example
from tunebench.server.tuning.group import Group
from tunebench.server.tuning.halves import Halves
from tunebench.server.tuning.job_requests import Plan
from tunebench.server.tuning.lengths import room

_OPTIMIZER = "optimizer.pt"
_ROWS = "rows.json"
_MAX_GRADIENT_NORM = 1.0


class Trainer:
    """A network in training.

    Attributes:
        steps: of an epoch.
        rows: metrics of each step, in the columns of OpenAI's result files.
        max_tokens: of a prompt.
        cut: how many prompts have more, of the training and of the validation file.
        counts: all prompts of the two.
        kept: whether the frozen layers' outputs are kept from the first epoch on.
    """

    def __init__(
        self,
        network: Any,
        tokenizer: Any,
        plan: Plan,
        training: Sequence[Example],
        validation: Sequence[Example] = (),
        *,
        kept_bytes: int,
        group: Group | None = None,
    ) -> None:
        self._group = group or Group()
        self._network = network.to(self._group.device)
        self._plan = plan
        first = lora.attach(network, plan)
        completions = {one.completion for one in [*training, *validation]}
        space = room(network, tokenizer, plan.batch_size, completions)
        self.max_tokens = plan.max_tokens or self._group.least(space.tokens)
        encoder = Encoder(tokenizer, self.max_tokens)
        encoded = [encoder.encode(one) for one in training]
        self._batches = make(encoded, plan.batch_size, plan.seed)
        self._shares = [
            (share.to(self._group.device), part)
            for share, part in map(self._group.share, self._batches)
        ]
        self._evaluation = None
        if validation:
            self._evaluation = Evaluation(encoder, plan, training, validation, self._group)
        valid = self._evaluation.cut if self._evaluation else 0
        self.cut = (sum(row.is_cut for row in encoded), valid)
        self.counts = (len(training), len(validation))
        if plan.max_tokens is None:
            space.check(sum(self.cut), sum(self.counts))
        # The training rows first: if memory is too small for both, those are kept.
        shares = [share for share, _ in self._shares]
        kinds = [shares, self._evaluation.batches if self._evaluation else []]
        _check_length(network, [batch for some in kinds for batch in some])
        self._halves = Halves(network, first, kinds, kept_bytes)
        self._head = Head(network)
        self._weights = [weight for _, weight in lora.adapter_weights(network)]
        self._optimizer = torch.optim.AdamW(self._weights, lr=plan.learning_rate, weight_decay=0.0)
        self.steps = len(self._batches)
        self.rows: list[dict[str, float | None]] = []
        self.kept = self._halves.kept
        self._tokens = 0
        self._examples = 0

    def save(self, folder: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        # What a worker left that was killed between this folder and its row in the database.
        shutil.rmtree(folder, ignore_errors=True)
        with whole_folder(folder) as unfinished:
            lora.save(self._network, unfinished)
            # As bytes: torch's own writer hides a full disk behind an error of another class.
            content = io.BytesIO()
            torch.save(_on_cpu(self._optimizer.state_dict()), content)
            (unfinished / _OPTIMIZER).write_bytes(content.getvalue())
            (unfinished / _ROWS).write_text(json.dumps(self.rows))

    def resume(self, folder: Path) -> None:
        """Continue from a checkpoint, exactly as without an interruption."""
        lora.restore(self._network, folder)
        state = torch.load(folder / _OPTIMIZER, weights_only=True)
        self._optimizer.load_state_dict(state)
        self.rows = json.loads((folder / _ROWS).read_text())
        self._tokens = int(self.rows[-1]["elapsed_tokens"] or 0)
        self._examples = int(self.rows[-1]["elapsed_examples"] or 0)

    def epochs(
        self, done: int, on_step: Callable[[dict[str, float | None]], None]
    ) -> Iterator[int]:
        """Train the epochs after ``done``, one at a time; ``on_step`` gets each step's metrics."""
        for number in range(done + 1, self._plan.n_epochs + 1):
            # Seeded in every epoch, so that a resumed job draws the same as an uninterrupted one.
            torch.manual_seed(self._plan.seed * 1000 + number)
            order = torch.randperm(len(self._batches)).tolist()
            self._halves.train(dropout=True)
            for place, index in enumerate(order):
                row = self._step(index)
                self.rows.append(row)
                if place == len(order) - 1 and self._evaluation is not None:
                    self._halves.train(dropout=False)
                    row |= self._evaluation.measure(self.logits)
                on_step(row)
            yield number

    def logits(self, batch: Batch) -> torch.Tensor:
        """Logits in float32 at a batch's targets, shape (targets, vocabulary)."""
        return self._head(self._halves.hidden(batch))

    def _step(self, index: int) -> dict[str, float | None]:
        whole, (share, part) = self._batches[index], self._shares[index]
        logits = self.logits(share)
        loss = torch.nn.functional.cross_entropy(logits, share.targets)
        self._optimizer.zero_grad(set_to_none=True)
        (loss * part).backward()  # type: ignore[no-untyped-call]
        self._group.sum([weight.grad for weight in self._weights if weight.grad is not None])
        norm = torch.nn.utils.clip_grad_norm_(self._weights, _MAX_GRADIENT_NORM)
        scores = Scores()
        if part:
            scores.add(share, logits.detach(), loss.item() * len(share.targets))
        scores.sum(self._group)
        means = scores.means("training")
        if not (math.isfinite(means["training_loss"] or 0.0) and torch.isfinite(norm)):
            raise JobError(
                f"the training loss at step {len(self.rows) + 1} is not finite",
                hint="create the job again with a smaller learning_rate_multiplier",
            )
        self._optimizer.step()
        self._tokens += whole.size
        self._examples += len(whole.members)
        return {
            "step": len(self.rows) + 1,
            "elapsed_tokens": self._tokens,
            "elapsed_examples": self._examples,
        } | means


def _on_cpu(state: dict[str, Any]) -> dict[str, Any]:
    """An optimizer's state that can be loaded where there is no GPU."""
    moments = {
        number: {name: value.cpu() for name, value in one.items()}
        for number, one in state["state"].items()
    }
    return state | {"state": moments}


def _check_length(network: Any, batches: Sequence[Batch]) -> None:
    longest = max(batch.ids.shape[1] + 1 for batch in batches)
    most = context_length(network.config)
    if longest > most:
        raise JobError(
            f"the longest prompt and completion have {longest} tokens; the model takes {most}",
            hint="create the job again with a smaller max_tokens, or shorten the completions",
        )
