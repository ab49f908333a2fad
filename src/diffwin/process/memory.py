"""How many rows go through a model in one call: as many as memory holds, found by measuring and by backing off."""

from __future__ import annotations

import gc
import logging
import re
from collections.abc import Callable

import torch

from diffwin.errors import DiffwinError

_LOG = logging.getLogger(__name__)

_SAID = re.compile(
    "out of memory"  # CUDA, HIP and MPS
    "|(CUBLAS|CUDNN|CUSOLVER|CUFFT)_STATUS_ALLOC_FAILED"
    "|unable to find (a valid|an) (cudnn algorithm|engine)"  # cuDNN found no memory for its workspace
    "|INT_MAX|32-bit index"  # kernels that count elements in 32 bits
    "|can't allocate memory|not enough memory|cannot allocate memory|unable to allocate",  # CPU allocators
    re.IGNORECASE,
)
_SHARE = 0.8  # of the memory that is free, what a measured call may take; the rest is for decoder and probes
_MEASURED = 2, 4  # rows of the two calls from which a row's share of memory is read
_PATIENCE = 64  # calls that must fit before more is tried; doubles each time that more did not fit


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a call was too large, and a smaller one may succeed."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and bool(_SAID.search(str(error))))


class Portions:
    """Calls a function of tensors with one leading dimension, in portions of at most `most` rows.

    Where a portion does not fit in memory, the call is made again in halves, and later calls keep to that size; after
    a while a size twice as large is tried again. The rows' own results do not depend on it.
    """

    def __init__(self, what: str, most: int, *, even: bool = False) -> None:
        """`what` is named in the log; `most` is never exceeded; `even` fills up every call to one number of rows."""
        self.what, self.limit, self.most, self.even = what, most, most, even
        self._largest, self._calls, self._patience, self._grew = 1, 0, _PATIENCE, False
        self._measured = even  # a compiled network would be compiled anew for each size

    def __call__(self, function: Callable[..., torch.Tensor], *arguments: torch.Tensor) -> torch.Tensor:
        self._measure(function, arguments)
        self._grow()
        while True:
            whole = self._try(function, arguments)
            if whole is not None:
                return whole
            free_memory()

    def _try(self, function: Callable[..., torch.Tensor], arguments: tuple[torch.Tensor, ...]) -> torch.Tensor | None:
        """The function's value on all rows; None, with smaller portions set, if memory ran out."""
        rows = len(arguments[0])
        self._largest = max(self._largest, rows)
        size = min(self.most, self._largest if self.even else rows)
        portions = -(-rows // size)
        if self.even:
            arguments = tuple(_filled_up(each, portions * size) for each in arguments)
        try:
            if portions == 1:
                return function(*arguments)[:rows]
            split = zip(*(each.tensor_split(portions) for each in arguments), strict=True)
            return torch.cat([function(*each) for each in split])[:rows]
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self._shrink(-(-len(arguments[0]) // portions), error)
            return None

    def _shrink(self, tried: int, error: BaseException) -> None:
        if tried == 1:
            raise DiffwinError(
                f"{self.what}: not even one row fits in memory ({_brief(error)}); "
                "free some, use a smaller model, or choose --dtype bfloat16 or --device cpu"
            ) from error
        if self._grew:
            self._patience *= 2
        self.most, self._calls, self._grew = tried // 2, 0, False
        _LOG.warning("%s: %d rows do not fit in memory, going on with %d at a time", self.what, tried, self.most)

    def _grow(self) -> None:
        """Try twice the size again once enough calls have fitted."""
        self._calls += 1
        if self.most < self.limit and self._calls > self._patience:
            self.most, self._calls, self._grew = min(2 * self.most, self.limit), 0, True
            _LOG.info("%s: trying %d rows at a time again", self.what, self.most)

    def _measure(self, function: Callable[..., torch.Tensor], arguments: tuple[torch.Tensor, ...]) -> None:
        """Before the first large call on a CUDA device, set the size by the memory that two small ones take."""
        if self._measured or arguments[0].device.type != "cuda" or len(arguments[0]) <= max(_MEASURED):
            return
        self._measured = True
        _peak(function, [each[: _MEASURED[0]] for each in arguments])  # a first call also takes what is kept for good
        few, more = (_peak(function, [each[:rows] for each in arguments]) for rows in _MEASURED)
        a_row = max((more - few) / (_MEASURED[1] - _MEASURED[0]), 1.0)
        room = _SHARE * _free(arguments[0].device) - (few - _MEASURED[0] * a_row)
        self.most = int(min(max(room / a_row, 1), self.most))
        if self.most < len(arguments[0]):
            _LOG.warning("%s: memory holds %d of %d rows at a time", self.what, self.most, len(arguments[0]))


def free_memory() -> None:
    """Give back what a failed call has left behind."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _filled_up(rows: torch.Tensor, count: int) -> torch.Tensor:
    """The rows and then the first one again and again, `count` in all."""
    return torch.cat([rows, rows[:1].expand(count - len(rows), *rows.shape[1:])]) if count > len(rows) else rows


def _peak(function: Callable[..., torch.Tensor], arguments: list[torch.Tensor]) -> int:
    """Bytes that one call takes at its highest, over what was taken before."""
    device = arguments[0].device
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    function(*arguments)
    return torch.cuda.max_memory_allocated(device) - before


def _free(device: torch.device) -> int:
    """Bytes that a CUDA device can still give, those that torch holds in reserve among them."""
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + unused


def _brief(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
