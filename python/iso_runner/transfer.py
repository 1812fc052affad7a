"""Bytes on their way from a pipe of the program's to the host, moved by the kernel: they never enter this process.

They pass through a pipe of our own, which nobody else can reach. So what a frame announces is there, whoever else may read the
program's pipe. For Linux with Python from 3.10 on; `make` gives None elsewhere, and output is read and written instead.
"""

from __future__ import annotations

import errno
import fcntl
import os
from typing import Any, Optional, Union

# The most a pipe may hold for a user without privileges, unless the host says otherwise; and the longest frame of output.
PIPE_BYTES = 1024 * 1024
_F_SETPIPE_SZ = 1031
_SPLICE_F_NONBLOCK = 2
_splice: Any = getattr(os, "splice", None)
# What a kernel, an engine's filter or a kind of descriptor says that does not splice.
_REFUSALS = (errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP)


def widen(fd: int) -> bool:
    """Makes room in a pipe for what is written while nobody reads; false where the kernel gives none."""
    try:
        return bool(fcntl.fcntl(fd, _F_SETPIPE_SZ, PIPE_BYTES) >= PIPE_BYTES)
    except OSError:
        return False


def make() -> Optional[Transfer]:
    try:
        return None if _splice is None else Transfer()
    except OSError:
        return None


class Transfer:
    """Filled from one descriptor and emptied into another, in turns."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self.pending = 0
        self.refused = False
        widen(self._write)

    def fill(self, fd: int, most: int) -> Optional[int]:
        """Takes what is there of at most so many bytes. 0 at the end of the stream, None where this cannot be spliced.
        BlockingIOError: nothing is there."""
        try:
            moved: int = _splice(fd, self._write, most, flags=_SPLICE_F_NONBLOCK)
        except OSError as error:
            if error.errno not in _REFUSALS:
                raise
            self.refused = True
            return None
        self.pending += moved
        return moved

    def empty(self, fd: int) -> Union[int, bytes]:
        """How many bytes the descriptor took of those pending; where it cannot be spliced to, the bytes themselves, which are
        then the caller's. OSError as `os.write` has it."""
        try:
            moved: int = _splice(self._read, fd, self.pending, flags=_SPLICE_F_NONBLOCK)
        except OSError as error:
            if error.errno not in _REFUSALS:
                raise
            self.refused = True
            return self._take()
        self.pending -= moved
        return moved

    def _take(self) -> bytes:
        taken = bytearray()
        while self.pending > 0:
            chunk = os.read(self._read, self.pending)
            self.pending -= len(chunk)
            taken += chunk
        return bytes(taken)
