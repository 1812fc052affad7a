"""One sleep until something can be done, and what need not be tried after it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from select import POLLERR, POLLHUP, POLLIN, poll
from typing import Optional

READABLE = POLLIN | POLLHUP | POLLERR


class Watch:
    """What is listened to changes seldom, so it is kept from one sleep to the next."""

    def __init__(self) -> None:
        self._poll = poll()
        self._wanted: Mapping[int, int] = {}
        self._heard_of: frozenset[int] = frozenset()

    def wait(self, wanted: Mapping[int, int], timeout_ms: Optional[float]) -> Collection[int]:
        """Until one of these descriptors has one of its events. Returns those that were listened to and have nothing to be read:
        trying each would cost a failed call and its exception. What was not listened to may have something all the same."""
        if wanted != self._wanted:
            for fd in self._wanted:
                self._poll.unregister(fd)
            for fd, events in wanted.items():
                self._poll.register(fd, events)
            self._wanted = wanted
            self._heard_of = frozenset([fd for fd, events in wanted.items() if events & POLLIN])
        return self._heard_of.difference([fd for fd, _ in self._poll.poll(timeout_ms)])
