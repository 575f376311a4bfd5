"""``tunebench completion``: shell completion of commands, options and paths."""

from __future__ import annotations

import click

from tunebench.cli.commands import COMPLETE_VARIABLE


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that completes commands, options and paths.

    \b
    bash: add to ~/.bashrc   eval "$(tunebench completion bash)"
    zsh:  add to ~/.zshrc    eval "$(tunebench completion zsh)"
    fish: tunebench completion fish > ~/.config/fish/completions/tunebench.fish
    """  # noqa: D301 - Click reads the character itself
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None  # Click knows each of them
    root = context.find_root()
    print(made(root.command, {}, "tunebench", COMPLETE_VARIABLE).source())
