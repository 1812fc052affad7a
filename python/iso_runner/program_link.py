"""What the supervisor has of the program: its output, its stack dump, and the channel for its job, answers and messages.

All of it is hostile. It is relayed to the host as frames that say whose words they are; all descriptors are non-blocking.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Collection
from typing import Optional

from .frames import FROM_PROGRAM, MAX_TRACE_FRAME_BYTES, Decoder, FrameError, encode, encode_problem, is_one_frame
from .launch import Child
from .outbox import Outbox
from .output_stream import OutputStream
from .watch import READABLE

# While as much waits for the host, nothing more is taken from the program.
HOST_BUFFER_BYTES = 1024 * 1024
ANSWER_BUFFER_BYTES = 32 * 1024 * 1024
# More is not read from the host while the program still takes some; a stop behind it waits no longer than a stall may last.
ANSWER_HOLD_BYTES = 1024 * 1024
STALL_S = 1.0
# As much is allocated for each read, and beyond 128 KiB malloc maps it anew where it has none at hand.
READ_BYTES = 64 * 1024
TRACE_MAX_BYTES = 512 * 1024


class ProgramLink:
    def __init__(self, child: Child, host: Outbox) -> None:
        self.begun = False
        self._host = host
        _, stdout, stderr, log, trace, channel = child
        self._streams = [OutputStream(b"O", stdout), OutputStream(b"E", stderr), OutputStream(b"L", log)]
        self._trace: Optional[int] = trace
        self._trace_bytes = 0
        self._tracing = False
        self._channel: Optional[Outbox] = Outbox(channel)  # the same descriptor is read for messages
        self._took_at = 0.0  # when the program last took some of what waits for it
        self._messages = Decoder(FROM_PROGRAM)

    def register(self, wanted: dict[int, int]) -> Optional[float]:
        """Adds what to wake up for, and says at what moment at the latest; None where nothing is left to gather. Told in one: who
        asks twice may hear that a stream gathers and then that none does any more, and sleeps beside output for ever."""
        looks_again_at = None
        if self._hears_output():
            now = time.monotonic()
            for stream in self._streams:
                gathers_until = stream.gathers_until(now)
                if gathers_until is not None:
                    looks_again_at = min(gathers_until, looks_again_at or gathers_until)
                elif not stream.is_busy:
                    wanted[stream.fd] = READABLE
            if self._trace is not None and self._tracing:
                wanted[self._trace] = READABLE
        if self._channel is not None:
            readable = READABLE if self._host_has_room() else 0
            writable = select.POLLOUT if self._channel.pending else 0
            if readable or writable:
                wanted[self._channel.fd] = readable | writable
        return looks_again_at

    def give(self, frame: bytes) -> None:
        """The job, or an answer."""
        if self._channel is None:
            return
        if not self._channel.pending:
            self._took_at = time.monotonic()
        self._channel.put(frame)
        if self._channel.pending > ANSWER_BUFFER_BYTES + len(frame):
            self._close_channel("the program does not read the answers of its tool calls")

    def holds_back_until(self) -> Optional[float]:
        """Until when nothing more is to be given, as answers come faster than they are taken; None where there is room."""
        if self._channel is None or self._channel.pending <= ANSWER_HOLD_BYTES:
            return None
        until = self._took_at + STALL_S
        return until if time.monotonic() < until else None

    def relay(self, quiet: Collection[int]) -> bool:
        """Moves what can be moved, and says whether some of the stack dump was among it. Of `quiet` ones nothing can be read."""
        # The channel first: the host learns that user code has begun before it gets the first output.
        if self._channel is not None:
            self._serve(self._channel, self._channel.fd in quiet)
        for stream in list(self._streams):
            if stream.fd not in quiet and self._hears_output() and not stream.relay(self._host):
                self._streams.remove(stream)
        if self._tracing and self._trace is not None and self._host_has_room():
            return self._relay_trace(self._trace)
        return False

    def expect_trace(self) -> bool:
        """Listens for the stack dump from now on; false where none can come."""
        if self._trace is None or not self.begun:
            return False
        _drop_unread(self._trace)
        self._tracing = True
        return True

    def is_drained(self) -> bool:
        return not self._streams and self._channel is None and (self._trace is None or not self._tracing)

    def _host_has_room(self) -> bool:
        return self._host.pending < HOST_BUFFER_BYTES

    def _hears_output(self) -> bool:
        return self._host_has_room() and (self.begun or self._channel is None)

    def _relay_trace(self, fd: int) -> bool:
        try:
            chunk = os.read(fd, MAX_TRACE_FRAME_BYTES)
        except BlockingIOError:
            return False
        if not chunk:
            os.close(fd)
            self._trace = None
            return False
        if self._trace_bytes < TRACE_MAX_BYTES:
            self._trace_bytes += len(chunk)
            self._host.put(encode(b"T", chunk))
        return True

    def _serve(self, channel: Outbox, is_quiet: bool) -> None:
        waiting = channel.pending
        try:
            channel.flush()
        except OSError:
            pass  # the program closed its end; what it wrote before is still read below
        if channel.pending < waiting:
            self._took_at = time.monotonic()
        if is_quiet or not self._host_has_room():
            return
        try:
            chunk = os.read(channel.fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._close_channel(None)
            return
        if self.begun and not self._messages.buffered and is_one_frame(chunk, b"C"):
            self._host.put(chunk)
            return
        self._messages.feed(chunk)
        try:
            self._relay_messages()
        except FrameError as error:
            self._close_channel(str(error))

    def _relay_messages(self) -> None:
        while True:
            frame = self._messages.next()
            if frame is None:
                return
            kind, payload = frame
            if kind == b"C":
                self._host.put(encode(b"C", payload))
            elif self.begun:
                # Before it begins only our own code has run in the child; afterwards these two are forgeries.
                raise FrameError(f"a frame of kind {kind.decode()} after the program began")
            elif kind == b"B":
                self.begun = True
                self._host.put(encode(b"B", b"{}"))
            else:
                self._host.put(encode(b"P", payload))

    def _close_channel(self, reason: Optional[str]) -> None:
        if self._channel is not None:
            os.close(self._channel.fd)
            self._channel = None
        if reason is not None:
            self._host.put(encode_problem("program_channel", reason))


def _drop_unread(fd: int) -> None:
    """What the program itself wrote there before anybody asked."""
    try:
        for _ in range(32):
            if not os.read(fd, MAX_TRACE_FRAME_BYTES):
                return
    except BlockingIOError:
        pass
