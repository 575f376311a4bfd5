"""Wires the plugin in, for benchmarks/ and tests/ alike."""

pytest_plugins = ["harness.plugin", "pytester"]
