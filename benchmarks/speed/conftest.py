"""These cases measure time, so they run only when this folder, or a file of it, is named."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
# The cases share `workload.py`; pytest's import mode adds no folder to the path by itself.
sys.path.insert(0, str(HERE))


def pytest_ignore_collect(collection_path, config):
    """Leave this folder out of `pytest` and `pytest benchmarks/`."""
    named = [Path(config.invocation_params.dir, arg.split("::")[0]) for arg in config.args]
    asked = any(path.absolute().is_relative_to(HERE) for path in named)
    return None if asked else True
