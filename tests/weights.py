"""The weights of built-in models, for the few tests that need real ones."""

import pytest

from tunebench.errors import TunebenchError
from tunebench.local_models import MODELS, get


def need_weights(name: str) -> None:
    """Download the weights as users do, once; skip the test where that cannot be done."""
    try:
        get(MODELS[name], print)
    except TunebenchError as error:
        pytest.skip(str(error))
