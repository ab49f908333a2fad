"""Calls that do not fit in memory go on in smaller portions, to the same numbers, and grow back."""

from __future__ import annotations

import logging

import pytest
import torch

from diffwin.errors import DiffwinError
from diffwin.process.memory import Portions, is_out_of_memory

MESSAGES = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.10 GiB"),
    RuntimeError("MPS backend out of memory (MPS allocated: 17.58 GB, other allocations: 1.52 GB)"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("Unable to find a valid cuDNN algorithm to run convolution"),
    RuntimeError("upsample_nearest_nhwc only supports output tensors with less than INT_MAX elements"),
    RuntimeError("Expected canUse32BitIndexMath(input) to be true; input tensor must fit into 32-bit index math"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to ..."),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9223372036854775807 bytes."),
    MemoryError("Unable to allocate 7.45 GiB for an array with shape (1000000000,) and data type float64"),
]


class Room:
    """A function of rows that fails like a device with too little memory for more than `most`."""

    def __init__(self, most: int, error: Exception = MESSAGES[0]) -> None:
        self.most, self.error = most, error
        self.sizes: list[int] = []

    def __call__(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(x))
        if len(x) > self.most:
            raise self.error
        return x + 10 * y


def rows(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.arange(float(count)), torch.arange(float(count))


@pytest.mark.parametrize("error", MESSAGES, ids=lambda error: str(error)[:30])
def test_what_does_not_fit_goes_through_in_halves(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    room, portions = Room(5, error), Portions("network", 64)
    x, y = rows(37)
    with caplog.at_level(logging.WARNING):
        assert torch.equal(portions(room, x, y), x + 10 * y)
    assert room.sizes[-2:] == [2, 2]
    assert max(room.sizes[4:]) == portions.most == 3
    assert [record.getMessage() for record in caplog.records] == [
        "network: 37 rows do not fit in memory, going on with 18 at a time",
        "network: 13 rows do not fit in memory, going on with 6 at a time",
        "network: 6 rows do not fit in memory, going on with 3 at a time",
    ]


def test_a_fault_of_another_kind_is_not_hidden() -> None:
    fault = RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)")
    assert not is_out_of_memory(fault)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        Portions("network", 64)(Room(5, fault), *rows(37))


def test_a_single_row_that_does_not_fit_ends_the_run_in_one_line() -> None:
    with pytest.raises(DiffwinError, match=r"network: not even one row fits in memory \(CUDA out of memory") as caught:
        Portions("network", 64)(Room(0), *rows(3))
    assert "\n" not in str(caught.value)


def test_portions_grow_back_when_there_is_room_again_and_wait_longer_where_there_is_not() -> None:
    room, portions = Room(5), Portions("network", 64)

    def calls_until_six() -> int:
        """6 rows do not fit, so 12 go through as 3 at a time until 6 are tried again."""
        for call in range(1000):
            before = len(room.sizes)
            portions(room, *rows(12))
            if 6 in room.sizes[before:]:
                return call
        raise AssertionError("never tried again")

    assert calls_until_six() == 0
    waits = [calls_until_six() for _ in range(3)]
    assert waits[1] == pytest.approx(2 * waits[0], abs=2)
    assert waits[2] == pytest.approx(2 * waits[1], abs=2)
    room.most = 100
    calls_until_six()
    for _ in range(1000):
        portions(room, *rows(12))
    assert room.sizes[-1] == 12


def test_even_calls_all_have_one_size() -> None:
    room, portions = Room(100), Portions("network", 64, even=True)
    for count in (9, 9, 7, 1, 20):
        x, y = rows(count)
        assert torch.equal(portions(room, x, y), x + 10 * y)
    assert room.sizes == [9, 9, 9, 9, 20]
    room.most = 12
    x, y = rows(20)
    assert torch.equal(portions(room, x, y), x + 10 * y)
    assert room.sizes[-3:] == [20, 10, 10]


@pytest.mark.parametrize(("free", "most"), [(10_000, 128), (1000, 54), (60, 1)])
def test_a_cuda_device_is_measured_before_it_is_filled(
    monkeypatch: pytest.MonkeyPatch, free: int, most: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A network that takes 40 bytes and 14 more a row, on a device that says what it has left."""
    called: list[int] = []

    def network(x: torch.Tensor) -> torch.Tensor:
        called.append(len(x))
        return x

    class OnCuda(torch.Tensor):
        @property
        def device(self) -> torch.device:  # type: ignore[override]
            return torch.device("cuda")

    told = {
        "memory_allocated": lambda device: 500,
        "max_memory_allocated": lambda device: 500 + 40 + 14 * called[-1],
        "memory_reserved": lambda device: 500,
        "reset_peak_memory_stats": lambda device: None,
        "mem_get_info": lambda device: (free, 100_000),
    }
    for name, answer in told.items():
        monkeypatch.setattr(torch.cuda, name, answer)
    portions = Portions("network", 128)
    portions(network, torch.zeros(100).as_subclass(OnCuda))
    assert called[:3] == [2, 2, 4]
    assert max(called[3:]) <= most
    assert sum(called[3:]) == 100
    assert portions.most == most  # (0.8 free - 40) / 14, between 1 and 128
    assert bool(caplog.records) == (portions.most < 100)


def test_on_the_cpu_nothing_is_measured() -> None:
    room, portions = Room(100), Portions("network", 64)
    portions(room, *rows(37))
    assert room.sizes == [37]
