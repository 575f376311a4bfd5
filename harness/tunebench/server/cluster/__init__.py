"""The engine of a Ray cluster: answers by Ray Serve, jobs by Ray Train.

Nothing but the command imports it, and only for ``--engine ray``: Ray is slow to import, and the
extra ``ray`` is not needed without it.
"""
