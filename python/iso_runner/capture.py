"""What the program writes: its three standard streams and the `user` logger."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import threading
from datetime import datetime, timezone
from os import getpid, register_at_fork
from typing import Any

from .descriptor import Descriptor
from .kernel import set_handler

_SIGTERM = int(signal.SIGTERM)


# Made by `prepare`, and what was there before: each program would take that to pieces.
_handlers: list[_PipeHandler] = []
_former: list[object] = []


def prepare() -> None:
    """Once, in the process that programs are forked from: each would copy a hundred and thirty pages to make the same. The `user`
    logger, and sys.stdin, stdout and stderr over whatever descriptors 0, 1 and 2 will be. A printed line survives any kill."""
    kept = [os.dup(fd) for fd in (0, 1, 2)]
    # Streams remember whether they can seek. So they are made over what a program will have there.
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    read, write = os.pipe()
    for fd, like in ((0, null), (1, write), (2, write)):
        os.dup2(like, fd)
    _former[:] = [sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__]
    sys.stdin, sys.stdout, sys.stderr = standard_streams()
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]
    for fd, before in enumerate(kept):
        os.dup2(before, fd)
    for fd in (*kept, null, read, write):
        os.close(fd)
    handler = _PipeHandler()
    handler.setFormatter(_IsoTimeFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("user")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(handler)
    _handlers[:] = [handler]


def open_user_logger(fd: int) -> None:
    _handlers[0].open(fd)


def standard_streams() -> list[io.TextIOWrapper]:
    return [
        _text(0, "<stdin>", "r", "surrogateescape"),
        _text(1, "<stdout>", "w", "backslashreplace"),
        _text(2, "<stderr>", "w", "backslashreplace"),
    ]


def _text(fd: int, name: str, mode: str, errors: str) -> io.TextIOWrapper:
    raw = io.FileIO(fd, mode, closefd=False)
    raw.name = name
    buffer = io.BufferedReader(raw) if mode == "r" else io.BufferedWriter(raw)
    stream = io.TextIOWrapper(buffer, encoding="utf-8", errors=errors, line_buffering=mode == "w")
    stream.mode = mode  # type: ignore[misc]
    return stream


def flush_on_sigterm() -> None:
    """On SIGTERM the program's own process writes out what it has buffered, then dies of that signal; its children just die."""
    owner = getpid()

    def terminate(number: int, _frame: Any) -> None:
        signal.signal(number, signal.SIG_DFL)
        if os.getpid() == owner:
            for stream in (sys.stdout, sys.stderr):
                try:
                    stream.flush()
                except Exception:  # noqa: BLE001 - a reentrant flush or a closed stream must not stop the signal
                    pass
        os.kill(os.getpid(), number)

    # CPython forgets a signal that its own handler caught in a child's first moment, so none may be caught there: it is held back
    # until the child has the default action again.
    was_blocked: dict[int, bool] = {}

    def hold() -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        was_blocked[threading.get_ident()] = signal.SIGTERM in before

    def release() -> None:
        if not was_blocked.pop(threading.get_ident(), True):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

    def release_child() -> None:
        if signal.getsignal(signal.SIGTERM) is terminate:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        release()

    set_handler(_SIGTERM, terminate)
    register_at_fork(before=hold, after_in_parent=release, after_in_child=release_child)


class _IsoTimeFormatter(logging.Formatter):
    def formatTime(self, record: logging.LogRecord, datefmt: Any = None) -> str:
        return datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")


class _PipeHandler(logging.Handler):
    _descriptor: Descriptor

    def open(self, fd: int) -> None:
        self._descriptor = Descriptor(fd)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._descriptor.write((self.format(record) + "\n").encode("utf-8", "backslashreplace"))
        except Exception:  # noqa: BLE001 - the contract of logging handlers: never raise into the caller
            self.handleError(record)
