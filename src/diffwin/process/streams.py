"""Work that runs beside the denoising loop on a CUDA device, rather than behind what the loop has queued."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch


@contextmanager
def beside(device: str) -> Iterator[None]:
    """Queue what is done inside on a stream of its own; elsewhere than on CUDA, nothing changes.

    Only for work that begins and ends on the CPU, as decoding and reading do: the streams do not wait for each other.
    """
    if not device.startswith("cuda"):
        yield
        return
    with torch.cuda.stream(_stream(device)):
        yield


@cache
def _stream(device: str) -> torch.cuda.Stream:
    torch.cuda.synchronize(device)  # weights that are still on their way there arrive first
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
