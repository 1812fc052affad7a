"""Forks the process that becomes the program, before its job is known: a warm sandbox pays for the fork while it waits."""

from __future__ import annotations

import os
import signal
from typing import NamedTuple, Optional, Union

from . import kernel

# Asks the program for its Python stack; the last but one, since the last is popular.
TRACE_SIGNAL = signal.SIGRTMAX - 1


class Launch(NamedTuple):
    """The child's ends: where the program writes, and its channel to the supervisor; and what it is refused."""

    stdout: int
    stderr: int
    log: int
    trace: int
    channel: int
    filter: Optional[bytes]


class Child(NamedTuple):
    """The supervisor's ends, all non-blocking."""

    pid: int
    stdout: int
    stderr: int
    log: int
    trace: int
    channel: int


def fork_program(system_call_filter: Optional[bytes]) -> Union[Launch, Child]:
    """Returns twice: a Launch in the child, a Child in the supervisor."""
    pipes = [os.pipe() for _ in range(4)]
    ours, theirs = _socket_pair()
    read_ends = [read for read, _ in pipes] + [ours]
    write_ends = [write for _, write in pipes] + [theirs]
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
        kernel.close_all_but({0, 1, 2, *write_ends})
        stdout, stderr, log, trace, channel = write_ends
        return Launch(stdout, stderr, log, trace, channel, system_call_filter)
    for fd in write_ends:
        os.close(fd)
    for fd in read_ends:
        os.set_blocking(fd, False)
    return Child(pid, *read_ends)


def _socket_pair() -> tuple[int, int]:
    import socket

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    return ours.detach(), theirs.detach()
