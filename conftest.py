"""Wires the plugin in, for benchmarks/ and tests/ alike."""

pytest_plugins = ["tunebench.plugin", "pytester"]
