from __future__ import annotations

import logging

import pytest

from diffwin.probes.quiet import quietly


def fail_loudly() -> None:
    with quietly():
        logging.getLogger("some.library").error("retrying")
        raise RuntimeError


def test_silence_ends_with_the_block(caplog: pytest.LogCaptureFixture) -> None:
    handlers = list(logging.getLogger().handlers)
    with pytest.raises(RuntimeError):
        fail_loudly()
    logging.getLogger("some.library").warning("heard")
    assert [record.message for record in caplog.records] == ["heard"]
    assert logging.getLogger().handlers == handlers


def test_what_was_silent_before_stays_so(caplog: pytest.LogCaptureFixture) -> None:
    logging.disable(logging.WARNING)
    try:
        with quietly():
            pass
        logging.getLogger("some.library").warning("not heard")
    finally:
        logging.disable(logging.NOTSET)
    assert not caplog.records
