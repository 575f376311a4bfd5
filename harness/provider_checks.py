"""What is wrong with an experiment's providers, before anything is asked of them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness.experiment_file import ExperimentError
from harness.providers import PRESETS

if TYPE_CHECKING:
    from harness.experiment import Experiment


def check_providers(experiment: Experiment) -> None:
    """Check that each provider has a usable address and can do what its models' cells need.

    Raises:
        ExperimentError: it has not.
    """
    for name, provider in experiment.providers.items():
        # A preset names the field for its chats, and may be asked for completions all the same.
        chat = provider.endpoint == "chat" or provider.preset
        if provider.max_tokens_field != "max_tokens" and not chat:
            raise ExperimentError(
                f"{experiment.path}: [provider.{name}] max_tokens_field is for the endpoint chat; "
                "take it out, or set that endpoint."
            )
        try:
            _ = urlsplit(provider.base_url).port
        except ValueError as error:
            raise ExperimentError(
                f"{experiment.path}: [provider.{name}] base_url {provider.base_url!r}: {error}; "
                "mend it."
            ) from None
    for cell in experiment.fine_tuned_cells:
        name = experiment.models[cell.model].provider
        provider = experiment.providers[name]
        if "fine_tuning" not in provider.supports:
            note = f" ({PRESETS[provider.preset].note})" if provider.preset else ""
            raise ExperimentError(
                f"{experiment.path}: [matrix] train_sizes needs OpenAI's fine-tuning API, which "
                f"[provider.{name}] does not list in `supports`{note}; take {cell.model!r} from a "
                "provider that has it, or leave its training sizes out by `skip`."
            )
