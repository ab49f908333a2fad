"""Everything diffwin raises on purpose.

DiffwinError            exit status 1: the work could not be finished
└── BadInput            exit status 2: one line that says what, where and how to cure it
"""

from __future__ import annotations


class DiffwinError(Exception):
    """A run that could not be finished; the ledger keeps what was done."""


class BadInput(DiffwinError):
    """What the user gave cannot be used.

    The message is one line: what is wrong, where it stands, what to do about it.
    """

    def __init__(self, what: str, *, where: str = "", cure: str = "") -> None:
        self.what, self.where, self.cure = what, where, cure
        head = f"{where}: {what}" if where else what
        line = f"{head}; {cure}" if cure else head
        super().__init__(" ".join(line.split()))
