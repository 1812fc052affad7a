"""Frames of the runner protocol: header, caps per kind, an incremental decoder. Knows nothing of what payloads mean."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

PROTOCOL_VERSION = 1
# Taken while nobody can have replaced it: a snippet may leave a stand-in in its place.
_dumps = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
HEADER = struct.Struct(">Ic")
_HEADER_BYTES = HEADER.size
MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
MAX_OUTPUT_BYTES = 1024 * 1024
MAX_TRACE_FRAME_BYTES = 64 * 1024

FROM_HOST: Mapping[bytes, int] = {b"J": MAX_PAYLOAD_BYTES, b"A": MAX_PAYLOAD_BYTES, b"S": 64 * 1024, b"W": 64}
FROM_PROGRAM: Mapping[bytes, int] = {b"C": MAX_PAYLOAD_BYTES, b"B": 64, b"P": 64 * 1024}
TO_PROGRAM: Mapping[bytes, int] = {b"J": MAX_PAYLOAD_BYTES, b"A": MAX_PAYLOAD_BYTES}


class Frame(NamedTuple):
    kind: bytes
    payload: bytes


class FrameError(Exception):
    """The other side broke a rule of the protocol; nothing after it can be trusted to be a frame."""


def encode(kind: bytes, payload: bytes) -> bytes:
    return HEADER.pack(len(payload), kind) + payload


def encode_json(kind: bytes, body: Mapping[str, Any]) -> bytes:
    return encode(kind, _dumps(body).encode("ascii"))


def encode_problem(stage: str, message: str) -> bytes:
    return encode_json(b"P", {"stage": stage, "message": message[:2000]})


def is_one_frame(chunk: bytes, kind: bytes) -> bool:
    """Whether this is one whole frame of that kind and nothing else; of chunks that are no longer than a frame may be."""
    return chunk[4:_HEADER_BYTES] == kind and int.from_bytes(chunk[:4], "big") == len(chunk) - _HEADER_BYTES


class Decoder:
    """Turns chunks into frames. A header is judged before its payload is buffered."""

    def __init__(self, caps: Mapping[bytes, int]) -> None:
        self._caps = caps
        self._buffer = bytearray()

    @property
    def buffered(self) -> int:
        return len(self._buffer)

    def feed(self, chunk: bytes) -> None:
        self._buffer += chunk

    def next(self) -> Optional[Frame]:
        """The next whole frame, or None until more is fed."""
        if len(self._buffer) < _HEADER_BYTES:
            return None
        length, kind = HEADER.unpack_from(self._buffer)
        cap = self._caps.get(kind)
        if cap is None:
            raise FrameError(f"unknown kind of frame 0x{kind.hex()}")
        if length > cap:
            raise FrameError(f"a frame of kind {kind.decode()} has {length} bytes, {cap} are allowed")
        end = _HEADER_BYTES + length
        if len(self._buffer) < end:
            return None
        payload = bytes(memoryview(self._buffer)[_HEADER_BYTES:end])
        del self._buffer[:end]
        return Frame(kind, payload)
