"""``tunebench serve``: the local provider, with the options of ``python -m tunebench.server``."""

from __future__ import annotations

import click


@click.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def serve(arguments: tuple[str, ...]) -> int:
    """Serve small open models on this machine, as OpenAI's API."""
    import argparse

    from tunebench import server

    parser = argparse.ArgumentParser("tunebench serve", description=serve.help)
    server.add_arguments(parser)
    return server.serve(parser.parse_args(arguments))
