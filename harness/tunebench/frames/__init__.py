"""Results as data frames, as in a notebook: `replay` and `load_results`."""

from tunebench.frames.results import Results, load_results, replay

__all__ = ["Results", "load_results", "replay"]
