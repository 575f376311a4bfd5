"""What a run printed, with each of its sentences in one line."""

import re

import pytest


def unwrapped(done: pytest.RunResult) -> pytest.RunResult:
    """The same result; in our part of the output, lines indented by four go on with a sentence."""
    lines: list[str] = []
    ours = False
    for line in done.outlines:
        ours = bool(re.match("=+ tunebench =+", line)) or (ours and not line.startswith("==="))
        if ours and re.match(r"    \S", line):
            lines[-1] += line[3:]
        else:
            lines.append(line)
    done.outlines, done.stdout = lines, pytest.LineMatcher(lines)
    return done
