"""Loads what every program shall find loaded, and refuses what cannot be forked: a process with a second thread."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Sequence

from iso_runner import program
from iso_runner.boot import PRELOAD, leave_openssl_whole
from iso_runner.rehearsal import rehearse
from iso_runner.shutdown import note_modules

# CPython keeps objects of up to 512 bytes together by size, in steps of 16.
_SMALLEST = 16
_LARGEST = 512
_MOST_HOLES = 50_000
_PAGE = 4096
# Kept for as long as the process lives.
_filled: list[object] = []


class Refused(Exception):
    """A module of the profile's `preimports`, and why it cannot be loaded ahead."""


def load(names: Sequence[str]) -> None:
    """Once, before anything is forked. Raises Refused, which names the module."""
    leave_openssl_whole()
    for name in PRELOAD:
        importlib.import_module(name)
    for name in names:
        try:
            importlib.import_module(name)
        except BaseException as error:
            raise Refused(f"`import {name}` failed: {type(error).__name__}: {error}"[:1000]) from error
        threads = len(os.listdir("/proc/self/task"))
        if threads > 1:
            left = "a thread" if threads == 2 else f"{threads - 1} threads"
            raise Refused(f"`import {name}` leaves {left} running, and a process with threads cannot be forked safely")
    program.prepare()
    note_modules()
    rehearse()
    gc.collect()
    _fill_holes()
    gc.freeze()


def _fill_holes() -> None:
    """Free places between what was loaded are spread over all its pages, and a process that is forked from here would copy a page
    for nearly every object it makes. With none left it makes its objects side by side on new pages."""
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
