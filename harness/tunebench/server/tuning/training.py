"""Training: LoRA on the upper layers, with the loss on the completions alone."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tunebench.errors import TunebenchError
from tunebench.server.tuning import lora
from tunebench.server.tuning.batches import Batch, Encoder, make
from tunebench.server.tuning.evaluation import Evaluation, Scores
from tunebench.server.tuning.examples import Example
from tunebench.server.tuning.halves import Halves
from tunebench.server.tuning.job_requests import Plan

_LARGEST_NORM = 1.0


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to."""

    number: int
    steps: int
    metrics: dict[str, float | None]


class Trainer:
    """A network in training.

    Attributes:
        steps: of an epoch.
        rows: metrics by step, in the columns of OpenAI's result files.
        kept: whether the frozen layers' outputs are kept from the first epoch on.
        trained_tokens: of prompts and completions, so far.
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
    ) -> None:
        self._network = network
        self._plan = plan
        count = len(network.base_model.layers)
        layers = -(-count // 3) if plan.lora_layers is None else plan.lora_layers
        first = lora.attach(
            network,
            rank=plan.lora_rank,
            alpha=plan.lora_alpha,
            dropout=plan.lora_dropout,
            layers=layers,
            seed=plan.seed,
        )
        encoder = Encoder(tokenizer, plan.max_tokens)
        encoded = [encoder.encode(one) for one in training]
        self._batches = make(encoded, plan.batch_size, plan.seed)
        self._evaluation = None
        if validation:
            self._evaluation = Evaluation(encoder, plan, training, validation)
        # The training rows first: where both are too much, those are kept.
        kinds = [self._batches, self._evaluation.batches if self._evaluation else []]
        _check_length(network, [batch for some in kinds for batch in some])
        self._halves = Halves(network, first, kinds, kept_bytes)
        self._head = Head(network)
        weights = [weight for _, weight in lora.adapter_weights(network)]
        self._weights = weights
        self._optimizer = torch.optim.AdamW(weights, lr=plan.learning_rate, weight_decay=0.0)
        self.steps = len(self._batches)
        self.rows: list[dict[str, float | None]] = []
        self.kept = self._halves.kept
        self.trained_tokens = 0
        self._examples = 0

    def resume(self, folder: Path) -> None:
        """Go on from a checkpoint, exactly as if there had been no interruption."""
        lora.restore(self._network, folder)
        rows = json.loads((folder / lora.ROWS).read_text())
        state = torch.load(folder / lora.OPTIMIZER, weights_only=True)
        self._optimizer.load_state_dict(state)
        self.rows = rows
        self.trained_tokens = int(rows[-1]["elapsed_tokens"] or 0)
        self._examples = int(rows[-1]["elapsed_examples"] or 0)

    def save(self, folder: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        lora.write_whole(folder, self._network, self._optimizer, self.rows)

    def epochs(
        self, done: int, on_step: Callable[[dict[str, float | None]], None]
    ) -> Iterator[Epoch]:
        """Train, an epoch at a time.

        Args:
            done: epochs that are over.
            on_step: told the metrics of every step.
        """
        for number in range(done + 1, self._plan.n_epochs + 1):
            # Chance follows from seed and epoch, so that a resumed job draws as an unbroken one.
            torch.manual_seed(self._plan.seed * 1000 + number)
            order = torch.randperm(len(self._batches)).tolist()
            self._halves.train(dropout=True)
            for place, index in enumerate(order):
                row = self._step(self._batches[index])
                self.rows.append(row)
                if place == len(order) - 1 and self._evaluation is not None:
                    self._halves.train(dropout=False)
                    row |= self._evaluation.measure(self.logits)
                on_step(row)
            yield Epoch(number, len(self.rows), dict(self.rows[-1]))

    def logits(self, batch: Batch) -> torch.Tensor:
        """Logits in float32 at a batch's targets, shape (targets, vocabulary)."""
        return self._head(self._halves.hidden(batch))

    def _step(self, batch: Batch) -> dict[str, float | None]:
        logits = self.logits(batch)
        loss = torch.nn.functional.cross_entropy(logits, batch.targets)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self._weights, _LARGEST_NORM)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            raise TunebenchError(
                f"The training loss at step {len(self.rows) + 1} is no finite number; create the "
                "job again with a smaller learning_rate_multiplier."
            )
        self._optimizer.step()
        scores = Scores()
        scores.add(batch, logits.detach(), loss.item() * len(batch.targets))
        self.trained_tokens += batch.size
        self._examples += len(batch.members)
        return {
            "step": len(self.rows) + 1,
            "elapsed_tokens": self.trained_tokens,
            "elapsed_examples": self._examples,
        } | scores.told("training")


class Head:
    """The map from hidden states to logits, in float32 as when the model is asked."""

    def __init__(self, network: Any) -> None:
        head = network.get_output_embeddings()
        self._weight = head.weight.detach().float()
        self._bias = None if head.bias is None else head.bias.detach().float()
        self._softcap = getattr(network.config, "final_logit_softcapping", None)

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits, shape (rows, vocabulary), of hidden states, shape (rows, width)."""
        logits = torch.nn.functional.linear(hidden.float(), self._weight, self._bias)
        if self._softcap:
            logits = torch.tanh(logits / self._softcap) * self._softcap
        return logits


def _check_length(network: Any, batches: Sequence[Batch]) -> None:
    longest = max(batch.ids.shape[1] + 1 for batch in batches)
    room = int(getattr(network.config, "max_position_embeddings", None) or 2048)
    if longest > room:
        raise TunebenchError(
            f"The longest prompt and completion have {longest} tokens, and the model takes {room}; "
            "create the job again with a smaller max_tokens, or shorten the completions."
        )
