"""The program's end of its channel to the supervisor: whole frames out from any thread, answers in."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from .descriptor import Descriptor
from .frames import TO_PROGRAM, Decoder, encode, encode_json

_READ_BYTES = 256 * 1024


class ProgramChannel:
    def __init__(self, fd: int) -> None:
        self._descriptor = Descriptor(fd)
        self._lock = threading.Lock()
        self.owner = os.getpid()

    def send_message(self, payload: bytes) -> None:
        """Sends a `C` frame. OSError where the channel is closed."""
        self._write(encode(b"C", payload))

    def send(self, kind: bytes, body: Mapping[str, Any]) -> None:
        self._write(encode_json(kind, body))

    def answers(self) -> Iterator[bytes]:
        """Payloads of the answers, until the channel ends. Blocks: for one thread of its own."""
        decoder = Decoder(TO_PROGRAM)
        while True:
            try:
                self._descriptor.check()
                chunk = os.read(self._descriptor.fd, _READ_BYTES)
            except OSError:
                return
            if not chunk:
                return
            decoder.feed(chunk)
            frame = decoder.next()
            while frame is not None:
                yield frame.payload
                frame = decoder.next()

    def _write(self, data: bytes) -> None:
        with self._lock:
            self._descriptor.write(data)
