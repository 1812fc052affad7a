"""Where a launcher's objects lie: what belongs together shall lie together, as a fork copies whole pages."""

from __future__ import annotations

import gc
import sys

# CPython keeps objects of up to 512 bytes together by size, in steps of 16.
_SMALLEST = 16
_LARGEST = 512
_MOST_HOLES = 50_000
_PAGE = 4096
# Kept for as long as the process lives.
_filled: list[object] = []


def fill_holes() -> None:
    """Free places between what was loaded are spread over all its pages, and a process that is forked from here would copy a page
    for nearly every object it makes. With none left it makes its objects side by side on new pages."""
    gc.collect()
    for size in range(_SMALLEST, _LARGEST + 1, _SMALLEST):
        last = 0
        side_by_side = 0
        for _ in range(_MOST_HOLES):
            filler = _of_size(size)
            _filled.append(filler)
            side_by_side = side_by_side + 1 if id(filler) == last + size else 0
            last = id(filler)
            if side_by_side >= max(8, _PAGE // size // 2):
                break


def _of_size(size: int) -> object:
    if size == 16:
        return object()
    return complex(0.5, size) if size == 32 else bytes(size - sys.getsizeof(b""))
