"""The local OpenAI-compatible provider: ``python -m tunebench.server``.

The rest of the package talks HTTP to it, as to any other provider. Three rooms, each of which may
import those after it: ``http`` (routes, requests, answers), ``tuning`` (training files, jobs, the
``worker`` process of a job) and ``inference`` (models and what they answer). A job makes a LoRA
adapter, which is served beside its base model under a name of its own.

Needs the ``local`` extra: ``pip install 'tunebench[local]'``.
"""

from tunebench.server.command import add_arguments, serve
from tunebench.server.inference.weights import missing_extra

__all__ = ["add_arguments", "missing_extra", "serve"]
