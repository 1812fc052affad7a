"""The program's end of its channel to the supervisor: whole frames out from any thread, the job and answers in."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from fcntl import F_DUPFD_CLOEXEC, fcntl
from os import close
from typing import Any, Optional

from .descriptor import Descriptor
from .frames import TO_PROGRAM, Decoder, Frame, encode, encode_json

# As the supervisor reads.
_READ_BYTES = 64 * 1024
_BEGIN = encode(b"B", b"{}")
_own_pid = os.getpid


class ProgramChannel:
    def __init__(self, fd: int) -> None:
        self._descriptor = Descriptor(fd)
        self._lock = threading.Lock()
        self._decoder = Decoder(TO_PROGRAM)
        self._owner = os.getpid()

    def is_ours(self) -> bool:
        """False in a forked child, whose words are not the program's."""
        return _own_pid() == self._owner

    def move_beyond(self, number: int) -> None:
        """To the first free descriptor from `number` on."""
        before = self._descriptor.fd
        self._descriptor = Descriptor(fcntl(before, F_DUPFD_CLOEXEC, number))
        close(before)

    def begin(self) -> None:
        """What comes now is the program's."""
        self._write(_BEGIN)

    def send_message(self, payload: bytes) -> None:
        """Sends a `C` frame. OSError where the channel is closed."""
        self._write(encode(b"C", payload))

    def send(self, kind: bytes, body: Mapping[str, Any]) -> None:
        self._write(encode_json(kind, body))

    def receive(self) -> Optional[Frame]:
        """The next frame from the supervisor; None once the channel has ended. Blocks: for one thread at a time."""
        frame = self._decoder.next()
        while frame is None:
            try:
                self._descriptor.check()
                chunk = os.read(self._descriptor.fd, _READ_BYTES)
            except OSError:
                return None
            if not chunk:
                return None
            self._decoder.feed(chunk)
            frame = self._decoder.next()
        return frame

    def _write(self, data: bytes) -> None:
        with self._lock:
            self._descriptor.write(data)
