"""The local OpenAI-compatible provider: ``python -m tunebench.server``.

It stands apart from the rest, which speaks HTTP to it as to any other provider. Requests come in
through ``app``, are checked by ``requests``, looked up in ``models``, computed by ``inference``
and shaped by ``responses``. Fine-tuning has modules of its own: ``file_routes`` and ``job_routes``
take what is asked, ``storage`` keeps it, ``job_queue`` starts a ``worker`` process a job. What a
job makes is a LoRA adapter beside a base, which is one more name in ``models``.

Needs the ``local`` extra: ``pip install 'tunebench[local]'``.
"""

from tunebench.server.command import add_arguments, serve

__all__ = ["add_arguments", "serve"]
