"""The one exception that users see."""


class TunebenchError(Exception):
    """What went wrong, where (file, line, cell, item) and what to do, in one sentence.

    Every error that a user can cause or mend is one of these. The plugin turns it into a
    ``pytest.UsageError`` while tests are collected and into a failed case while they run;
    the command line prints it and exits with 2.
    """
