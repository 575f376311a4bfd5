"""tunebench: does fine-tuning beat prompting on my labelled task?

A benchmark for pytest: one test case for each model × shots × training size, with the API's
traffic in cassettes, so that a recorded experiment replays offline.

`tunebench record`, or a notebook, starts pytest where this package is imported already. It has no
assertions that pytest could rewrite then, and without the next line pytest would warn of that.

PYTEST_DONT_REWRITE
"""

from typing import TYPE_CHECKING, Any

from tunebench.errors import TunebenchError

if TYPE_CHECKING:
    from tunebench.experiment import Cell, Experiment
    from tunebench.frames import Results, load_results, replay

__all__ = ["Cell", "Experiment", "Results", "TunebenchError", "load_results", "replay"]


def __getattr__(name: str) -> Any:
    # Late: an experiment needs pydantic, whose import is most of the time that `tunebench --help`
    # would take, and results need pandas.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in ("Cell", "Experiment"):
        from tunebench import experiment as room
    else:
        from tunebench import frames as room  # type: ignore[no-redef]
    return getattr(room, name)
