"""The root of every error a user can cause."""

from __future__ import annotations


class MyocastError(Exception):
    """Something a user can mend.

    The message is one line: what is wrong, what was expected, what to do. The command line
    prints it without a traceback and leaves with `exit_code` (2: wrong use or bad input,
    1: failed while running).
    """

    exit_code = 2
