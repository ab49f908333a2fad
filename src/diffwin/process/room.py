"""How much memory a device can still give."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import torch

_UNLIMITED = 1 << 60
"""What version 1 of control groups says where there is no limit is more than this."""


def free_on(device: str) -> int | None:
    """Bytes that are free on a device; None where nobody can tell."""
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    if device.startswith("mps"):
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return free_in_ram()


def free_in_ram(root: Path = Path("/")) -> int | None:
    """What the system has available, or less where a control group (a container, a batch job) lets it have less.

    `root` is where /proc and /sys are found. Swap does not count: a model that is swapped takes days.
    """
    known = [_available(root / "proc/meminfo"), *_allowed(root)]
    return min((each for each in known if each is not None), default=None)


def _available(meminfo: Path) -> int | None:
    if (kilobytes := _listed(meminfo).get("MemAvailable:")) is not None:
        return 1024 * kilobytes
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")  # all there is, where nobody says what is free
    except (AttributeError, OSError, ValueError):
        return None


def _allowed(root: Path) -> Iterator[int]:
    """What each control group that this process is in leaves it: its own, and those that hold that one."""
    for line in _lines(root / "proc/self/cgroup"):
        _, kinds, place = line.split(":", 2)
        own = Path(place.strip("/"))
        if kinds == "":
            for group in (own, *own.parents):
                yield from _left(root / "sys/fs/cgroup" / group, "memory.max", "memory.current", "")
        elif "memory" in kinds.split(","):
            for group in (own, *own.parents):
                where = root / "sys/fs/cgroup/memory" / group
                yield from _left(where, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_")


def _left(group: Path, limit: str, used: str, prefix: str) -> Iterator[int]:
    """What a group leaves; the pages of files that it has read can be had back, and count as free."""
    most, now = _number(group / limit), _number(group / used)
    if most is None or now is None or most >= _UNLIMITED:
        return
    listed = _listed(group / "memory.stat")
    files = sum(listed.get(f"{prefix}{state}_file", 0) for state in ("inactive", "active"))
    yield max(most - now + files, 0)


def _number(path: Path) -> int | None:
    """The whole number in a file; None where there is no file or no number, such as max."""
    told = "".join(_lines(path)).strip()
    return int(told) if told.isdecimal() else None


def _listed(path: Path) -> dict[str, int]:
    """The numbers of a file of names and numbers."""
    parts = [line.split() for line in _lines(path)]
    return {part[0]: int(part[1]) for part in parts if len(part) > 1 and part[1].isdecimal()}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except OSError:
        return []
