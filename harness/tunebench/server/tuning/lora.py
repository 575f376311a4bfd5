"""LoRA adapters: put on a model, saved, and put beside a base whose weights are shared.

The files are peft's own: ``PeftModel.from_pretrained(base, folder)`` reads them.
"""

import copy
import io
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import peft
import safetensors.torch
import torch

from tunebench.errors import TunebenchError
from tunebench.server.inference.models import LanguageModel
from tunebench.server.inference.prefix import PrefixCache
from tunebench.server.inference.weights import file_sha256

OPTIMIZER = "optimizer.pt"
ROWS = "rows.json"
_WEIGHTS = "adapter_model.safetensors"
_PREFIX = "base_model.model."  # of peft's files


def attach(network: Any, *, rank: int, alpha: float, dropout: float, layers: int, seed: int) -> int:
    """Put a fresh adapter on the linear maps of the uppermost layers; all else is frozen.

    Args:
        network: changed in place.
        rank: of the update.
        alpha: the update is scaled by ``alpha / rank``.
        dropout: before the update, while training.
        layers: how many; more than there are means all.
        seed: of the first weights.

    Returns:
        The number of the first layer that is adapted.
    """
    count = len(network.base_model.layers)
    first = max(0, count - layers)
    upper = {id(m) for layer in network.base_model.layers[first:] for m in layer.modules()}
    targets = [
        name
        for name, module in network.named_modules()
        if id(module) in upper and isinstance(module, torch.nn.Linear)
    ]
    config = peft.LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=targets, bias="none"
    )
    torch.manual_seed(seed)
    _inject(network, config)
    return first


def shared_copy(network: Any) -> Any:
    """Another network of the same modules around the very same weights.

    What is put on the copy does not touch the original, and neither has weights of its own.
    """
    tensors = itertools.chain(network.parameters(), network.buffers())
    return copy.deepcopy(network, {id(tensor): tensor for tensor in tensors})


def save(network: Any, folder: Path) -> None:
    """Write the adapter of a network into a folder that is there."""
    state = {
        _PREFIX + name.replace(".default.", "."): weight.detach().contiguous()
        for name, weight in adapter_weights(network)
    }
    # As bytes: the libraries' own writers hide a full disk behind errors of their own kinds.
    (folder / _WEIGHTS).write_bytes(safetensors.torch.save(state))
    network.peft_config["default"].save_pretrained(folder)


def load(network: Any, folder: Path) -> None:
    """Put a saved adapter on a network, in place."""
    try:
        _inject(network, peft.LoraConfig.from_pretrained(str(folder)))
        restore(network, folder)
    except (OSError, ValueError, KeyError, RuntimeError, safetensors.SafetensorError) as error:
        raise TunebenchError(
            f"The adapter in {folder} cannot be loaded ({type(error).__name__}); "
            "delete the model and train it again."
        ) from error


def restore(network: Any, folder: Path) -> None:
    """Give a network's adapter the weights of a saved one."""
    saved = safetensors.torch.load_file(folder / _WEIGHTS)
    with torch.no_grad():
        for name, weight in adapter_weights(network):
            weight.copy_(saved.pop(_PREFIX + name.replace(".default.", ".")))
    if saved:
        raise KeyError(next(iter(saved)))


def adapted(base: LanguageModel, name: str, folder: Path) -> LanguageModel:
    """A model of a base and a saved adapter, with a cache of prefixes of its own.

    The base is untouched, and all its weights, the head's float32 copy included, are shared.
    """
    network = shared_copy(base.network)
    load(network, folder)
    made = copy.copy(base)
    made.name = name
    made.sha256 = file_sha256(folder / _WEIGHTS)
    made.network = network.eval()
    made.prefixes = PrefixCache()
    return made


def adapter_weights(network: Any) -> Iterator[tuple[str, torch.nn.Parameter]]:
    """Name and weight of every part of the adapter."""
    return ((name, weight) for name, weight in network.named_parameters() if ".lora_" in name)


def write_whole(folder: Path, network: Any, optimizer: Any, rows: list[Any]) -> None:
    """Write a checkpoint, whole or not at all, in place of one that is there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".unfinished-"))
    try:
        save(network, unfinished)
        state = io.BytesIO()
        torch.save(optimizer.state_dict(), state)
        (unfinished / OPTIMIZER).write_bytes(state.getvalue())
        (unfinished / ROWS).write_text(json.dumps(rows))
        for path in unfinished.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _inject(network: Any, config: Any) -> None:
    peft.inject_adapter_in_model(config, network)
    # peft gives it the base's number format; in bfloat16 small updates would be rounded away.
    for _, weight in adapter_weights(network):
        weight.data = weight.data.float()
