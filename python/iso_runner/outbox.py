"""A queue of bytes to one non-blocking descriptor."""

from __future__ import annotations

import os
from collections import deque
from stat import S_ISSOCK, ST_MODE
from typing import Union

from .transfer import Transfer


class Outbox:
    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.pending = 0
        self.is_socket = S_ISSOCK(os.fstat(fd)[ST_MODE])
        self._queue: deque[Union[memoryview, Transfer]] = deque()

    def put(self, data: bytes) -> None:
        if data:
            self._queue.append(memoryview(data))
            self.pending += len(data)

    def put_transfer(self, transfer: Transfer) -> None:
        """All that is pending in it. It may be filled again once that is gone."""
        self._queue.append(transfer)
        self.pending += transfer.pending

    def flush(self) -> None:
        """Writes what the descriptor takes now. OSError: nobody reads it any more."""
        while self._queue:
            head = self._queue[0]
            try:
                if isinstance(head, Transfer):
                    self._empty(head)
                else:
                    self._write(head)
            except BlockingIOError:
                return

    def _write(self, head: memoryview) -> None:
        written = os.write(self.fd, head)
        self.pending -= written
        if written == len(head):
            self._queue.popleft()
        else:
            self._queue[0] = head[written:]

    def _empty(self, transfer: Transfer) -> None:
        moved = transfer.empty(self.fd)
        if isinstance(moved, bytes):
            self._queue[0] = memoryview(moved)
            return
        self.pending -= moved
        if transfer.pending == 0:
            self._queue.popleft()
