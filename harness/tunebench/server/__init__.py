"""The local OpenAI-compatible provider: ``python -m tunebench.server``.

The rest of the package talks HTTP to it, as to any other provider. Three rooms, each of which may
import those after it: ``http`` (routes, requests, answers), ``tuning`` (training files, jobs, the
``worker`` process of a job) and ``inference`` (models and what they answer). A job makes a LoRA
adapter, which is served beside its base model under a name of its own. What computes is an
``engine``: this machine, or in the room ``cluster`` the nodes of a Ray cluster.

Needs the ``local`` extra: ``pip install 'tunebench[local]'``.
"""

from tunebench.server.command import serve
from tunebench.server.inference.weights import missing_extra
from tunebench.server.options import add_arguments

__all__ = ["add_arguments", "missing_extra", "serve"]
