"""``python -m tunebench.server``: the command, as `tunebench serve`."""

import sys

from tunebench.server.command import main

sys.exit(main())
