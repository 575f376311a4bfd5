"""``python -m tunebench.server``: the command, as `tunebench serve`, but without downloads.

A recording starts it, and downloads the weights of the models that it asks itself.
"""

import argparse
import sys

from tunebench.server.command import serve
from tunebench.server.options import add_arguments

parser = argparse.ArgumentParser(
    prog="python -m tunebench.server", description="The local OpenAI-compatible provider."
)
add_arguments(parser)
sys.exit(serve(parser.parse_args(), download=False))
