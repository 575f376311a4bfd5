"""LoRA adapters: added to a network, saved, and loaded beside a base whose weights are shared.

The files are peft's own: ``PeftModel.from_pretrained(base, folder)`` reads them.
"""

import copy
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import peft
import safetensors.torch
import torch

from tunebench.errors import ConfigurationError
from tunebench.server.inference.language_model import LanguageModel
from tunebench.server.inference.prefix import PrefixCache
from tunebench.server.inference.weights import file_sha256
from tunebench.server.tuning.job_requests import Plan

_WEIGHTS = "adapter_model.safetensors"
_PREFIX = "base_model.model."  # of peft's files


def attach(network: Any, plan: Plan) -> int:
    """Add a new adapter to the linear maps of the uppermost layers; everything else is frozen.

    It returns the index of the first layer that is adapted; 0 if that is every layer.
    """
    count = len(network.base_model.layers)
    first = max(0, count - (-(-count // 3) if plan.lora_layers is None else plan.lora_layers))
    upper = {id(m) for layer in network.base_model.layers[first:] for m in layer.modules()}
    targets = [
        name
        for name, module in network.named_modules()
        if id(module) in upper and isinstance(module, torch.nn.Linear)
    ]
    config = peft.LoraConfig(
        r=plan.lora_rank,
        lora_alpha=plan.lora_alpha,
        lora_dropout=plan.lora_dropout,
        target_modules=targets,
        bias="none",
    )
    torch.manual_seed(plan.seed)
    _inject(network, config)
    return first


def shared_copy(network: Any) -> Any:
    """A copy of a network's modules that shares its weights.

    An adapter that is added to the copy does not change the original.
    """
    tensors = itertools.chain(network.parameters(), network.buffers())
    return copy.deepcopy(network, {id(tensor): tensor for tensor in tensors})


def save(network: Any, folder: Path) -> None:
    """Write the adapter of a network into an existing folder."""
    state = {
        _PREFIX + name.replace(".default.", "."): weight.detach().contiguous()
        for name, weight in adapter_weights(network)
    }
    # As bytes: the library's own writer hides a full disk behind an error of another class.
    (folder / _WEIGHTS).write_bytes(safetensors.torch.save(state))
    network.peft_config["default"].save_pretrained(folder)


def restore(network: Any, folder: Path) -> None:
    """Load the weights of a saved adapter into a network's."""
    saved = safetensors.torch.load_file(folder / _WEIGHTS)
    with torch.no_grad():
        for name, weight in adapter_weights(network):
            weight.copy_(saved.pop(_PREFIX + name.replace(".default.", ".")))
    if saved:
        raise KeyError(next(iter(saved)))


def adapted(base: LanguageModel, name: str, folder: Path) -> LanguageModel:
    """A base model with a saved adapter, and a prefix cache of its own.

    The base is not changed, and all its weights are shared, the head's float32 copy and those of
    eight bits too.

    Raises:
        ConfigurationError: the adapter cannot be loaded.
    """
    network = shared_copy(base.network)
    try:
        _inject(network, peft.LoraConfig.from_pretrained(str(folder)))
        restore(network, folder)
    except Exception as error:  # the libraries raise errors of many classes
        raise ConfigurationError(
            f"the adapter cannot be loaded ({type(error).__name__})",
            where=folder,
            hint="delete the model and train it again",
        ) from error
    made = copy.copy(base)
    made.name = name
    made.sha256 = file_sha256(folder / _WEIGHTS)
    made.network = network.eval()
    made.prefixes = PrefixCache()
    made.decoder = None
    return made


def adapter_weights(network: Any) -> Iterator[tuple[str, torch.nn.Parameter]]:
    """Name and weight of every part of the adapter."""
    return ((name, weight) for name, weight in network.named_parameters() if ".lora_" in name)


def _inject(network: Any, config: Any) -> None:
    peft.inject_adapter_in_model(config, network)
    # peft uses the base's number format, but in bfloat16 small updates would be lost in rounding.
    for _, weight in adapter_weights(network):
        weight.data = weight.data.float()
