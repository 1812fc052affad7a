"""Bytes on their way from a pipe of the program's to the host, moved by the kernel: they never enter this process.

They pass through a pipe of our own, which nobody else can reach. So what a frame announces is there, whoever else may read the
program's pipe. For Linux with Python from 3.10 on; `make` gives None elsewhere, and output is read and written instead, as it is
wherever a kernel moves nothing: nothing waits for a splice alone.
"""

from __future__ import annotations

import errno
import fcntl
import os
from typing import Any, Optional, Union

# The most a pipe may hold for a user without privileges, unless the host says otherwise. What all pipes of a user may hold is
# bounded too, to 64 MiB as a rule; beyond it none is widened, and a new one has two pages.
PIPE_BYTES = 1024 * 1024
# Of our own, which is emptied into a socket that takes less at a time.
_OWN_PIPE_BYTES = 256 * 1024
_F_SETPIPE_SZ = 1031
_F_GETPIPE_SZ = 1032
_SPLICE_F_NONBLOCK = 2
_splice: Any = getattr(os, "splice", None)
# What a kernel, an engine's filter or a kind of descriptor says that does not splice.
_REFUSALS = (errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP)


def widen(fd: int, size: int = PIPE_BYTES) -> bool:
    """Makes room in a pipe for what is written while nobody reads; false where the kernel gives none."""
    try:
        return bool(fcntl.fcntl(fd, _F_SETPIPE_SZ, size) >= size)
    except OSError:
        return False


def make(worth_bytes: int) -> Optional[Transfer]:
    """None where nothing can be spliced, or less at a time than is worth it."""
    if _splice is None:
        return None
    try:
        ends = os.pipe()
    except OSError:
        return None
    if widen(ends[1], _OWN_PIPE_BYTES) or fcntl.fcntl(ends[1], _F_GETPIPE_SZ) >= worth_bytes:
        return Transfer(*ends)
    for fd in ends:
        os.close(fd)
    return None


class Transfer:
    """Filled from one descriptor and emptied into another, in turns."""

    def __init__(self, read: int, write: int) -> None:
        self._read = read
        self._write = write
        self.pending = 0
        self.refused = False

    def fill(self, fd: int, most: int) -> Optional[int]:
        """Takes what is there of at most so many bytes. 0 at the end of the stream. None where nothing was spliced: to read tells
        whether something is there."""
        try:
            moved: int = _splice(fd, self._write, most, flags=_SPLICE_F_NONBLOCK)
        except BlockingIOError:
            return None
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
            moved = 0
        if moved == 0:
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
