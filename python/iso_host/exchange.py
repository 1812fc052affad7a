"""Exchanges two paths in one step, by renameat2(RENAME_EXCHANGE), which Node has no call for.

Host side only; reads nothing but its stdin. A request is a four-byte big-endian length and two absolute paths with a NUL
between them; the answer is a four-byte big-endian errno, 0 for done. Ends when stdin does.
"""

import ctypes
import errno
import os
import struct
import sys
from typing import Any, BinaryIO, Callable, Optional

AT_FDCWD = -100
RENAME_EXCHANGE = 2
MAX_REQUEST_BYTES = 16384
SYSCALL_NUMBERS = {"x86_64": 316, "aarch64": 276}


Exchange = Callable[[bytes, bytes], int]


def make_exchange() -> Exchange:
    """A function of two paths that returns an errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    paths: list[Any] = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    try:
        call = libc.renameat2
        call.argtypes = paths
        leading: tuple[int, ...] = ()
    except AttributeError:
        number = SYSCALL_NUMBERS.get(os.uname().machine)
        if number is None:
            return lambda a, b: errno.ENOSYS
        call = libc.syscall
        call.argtypes = [ctypes.c_long, *paths]
        leading = (number,)

    def exchange(a: bytes, b: bytes) -> int:
        if call(*leading, AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) == 0:
            return 0
        return ctypes.get_errno() or errno.EIO

    return exchange


def read_exactly(stream: BinaryIO, length: int) -> Optional[bytes]:
    """That many bytes, or None at the end of the stream."""
    data = stream.read(length)
    return data if len(data) == length else None


def serve(requests: BinaryIO, answers: BinaryIO, exchange: Exchange) -> None:
    while True:
        head = read_exactly(requests, 4)
        if head is None:
            return
        (length,) = struct.unpack(">I", head)
        if length > MAX_REQUEST_BYTES:
            return
        body = read_exactly(requests, length)
        if body is None:
            return
        pair = body.split(b"\0")
        result = exchange(*pair) if len(pair) == 2 else errno.EINVAL
        answers.write(struct.pack(">I", result))
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer, make_exchange())
