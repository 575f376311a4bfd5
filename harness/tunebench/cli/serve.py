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
    from tunebench.errors import did_you_mean

    parser = argparse.ArgumentParser("tunebench serve", description=serve.help)
    server.add_arguments(parser)
    options, rest = parser.parse_known_args(arguments)
    if rest:
        known = [name for action in parser._actions for name in action.option_strings]
        parser.error(f"there is no option {rest[0]!r}; {did_you_mean(rest[0], known)}")
    return server.serve(options, download=True)
