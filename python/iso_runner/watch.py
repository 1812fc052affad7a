"""One sleep until something can be done, and what need not be tried after it."""

from __future__ import annotations

import select
from collections.abc import Collection
from typing import Optional

READABLE = select.POLLIN | select.POLLHUP | select.POLLERR


class Watch:
    def __init__(self) -> None:
        self._poll = select.poll()
        self._heard_of: set[int] = set()

    def register(self, fd: int, events: int) -> None:
        self._poll.register(fd, events)
        if events & select.POLLIN:
            self._heard_of.add(fd)

    def wait(self, timeout_ms: Optional[float]) -> Collection[int]:
        """Descriptors that were listened to and have nothing to be read: trying each would cost a failed call and its exception.
        What was not listened to may have something all the same."""
        return self._heard_of.difference(fd for fd, _ in self._poll.poll(timeout_ms))
