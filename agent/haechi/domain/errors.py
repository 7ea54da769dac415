"""Errors that a person or a script will read.

An error is a stable code with parameters. The words, in Korean and English, with the next step, live
in ``haechi/words/*.yaml`` under the same code; a test fails when one lacks them.
"""

from __future__ import annotations

import errno

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of the system that say: no room, on the disk or in one's share of it."""


class HaechiError(Exception):
    """Something went wrong that has a name.

    ``code`` is dotted (``tag.unknown-technology``): the area, then the case. ``params`` fill the
    words; they hold no content, credential or key.
    """

    def __init__(self, code: str, **params: object) -> None:
        self.code = code
        self.params = params
        super().__init__(code, params)

    def __str__(self) -> str:
        listed = ", ".join(f"{name}={value}" for name, value in self.params.items())
        return f"{self.code} ({listed})" if listed else self.code
