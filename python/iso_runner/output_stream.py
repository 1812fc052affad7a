"""One stream of the program's output on its way to the host. What flows is moved in large pieces, by the kernel where it can."""

from __future__ import annotations

import os
import time
from typing import Optional

from . import transfer
from .frames import HEADER, MAX_OUTPUT_BYTES, encode
from .outbox import Outbox

_READ_BYTES = 64 * 1024
# As much within this time, and it flows.
_FLOW_BYTES = 64 * 1024
_FLOW_S = 0.01
# A flow of small writes is left to gather: woken for each, we would cost the program more than its writing does.
_GATHER_S = 0.001
_GATHER_BELOW_BYTES = 256 * 1024


class OutputStream:
    def __init__(self, kind: bytes, fd: int) -> None:
        self.fd = fd
        self._kind = kind
        self._transfer: Optional[transfer.Transfer] = None
        self._flows = False
        self._is_wide: Optional[bool] = None  # once it was tried
        self._window_ends = 0.0
        self._window_bytes = 0
        self._gathers_until: Optional[float] = None

    def gathers_until(self, now: float) -> Optional[float]:
        """Until when nobody need look; None where it is looked at whenever something is there."""
        if self._gathers_until is not None and now >= self._gathers_until:
            self._gathers_until = None
        return self._gathers_until

    @property
    def is_busy(self) -> bool:
        """What was taken before has not gone out yet."""
        return self._transfer is not None and self._transfer.pending > 0

    def relay(self, host: Outbox) -> bool:
        """Moves some of what is there. False at the end of the stream, whose descriptor is closed then."""
        if self.is_busy:
            return True
        try:
            moved = self._move(host)
        except BlockingIOError:
            return True
        if moved == 0:
            os.close(self.fd)
            return False
        self._judge(moved, host)
        return True

    def _move(self, host: Outbox) -> int:
        if self._flows and self._transfer is not None and not self._transfer.refused:
            moved = self._transfer.fill(self.fd, MAX_OUTPUT_BYTES)
            if moved is not None:
                if moved > 0:
                    host.put(HEADER.pack(moved, self._kind))
                    host.put_transfer(self._transfer)
                return moved
        chunk = os.read(self.fd, _READ_BYTES)
        if chunk:
            host.put(encode(self._kind, chunk))
        return len(chunk)

    def _judge(self, moved: int, host: Outbox) -> None:
        now = time.monotonic()
        if now >= self._window_ends:
            self._flows = self._window_bytes >= _FLOW_BYTES and now < self._window_ends + _FLOW_S
            self._window_ends = now + _FLOW_S
            self._window_bytes = 0
        self._window_bytes += moved
        if self._window_bytes >= _FLOW_BYTES:
            self._flows = True
        if not self._flows:
            return
        if self._is_wide is None:
            self._is_wide = transfer.widen(self.fd)
            # A pipe may lose what a program marked as packets (O_DIRECT); a socket knows bytes only.
            self._transfer = transfer.make(_READ_BYTES) if host.is_socket else None
        if self._is_wide and moved < _GATHER_BELOW_BYTES:
            self._gathers_until = now + _GATHER_S
