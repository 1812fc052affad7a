"""A queue of bytes to one non-blocking descriptor."""

from __future__ import annotations

import os
from collections import deque


class Outbox:
    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.pending = 0
        self._queue: deque[memoryview] = deque()

    def put(self, data: bytes) -> None:
        if data:
            self._queue.append(memoryview(data))
            self.pending += len(data)

    def flush(self) -> None:
        """Writes what the descriptor takes now. OSError: nobody reads it any more."""
        while self._queue:
            head = self._queue[0]
            try:
                written = os.write(self.fd, head)
            except BlockingIOError:
                return
            self.pending -= written
            if written == len(head):
                self._queue.popleft()
            else:
                self._queue[0] = head[written:]
