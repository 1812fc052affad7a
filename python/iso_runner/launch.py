"""Forks the process that becomes the program, before its job is known: a warm sandbox pays for the fork while it waits."""

from __future__ import annotations

import importlib
import signal
import socket
from os import close, fork, pipe, set_blocking
from signal import set_wakeup_fd
from typing import NamedTuple, Optional, Union

from .kernel import PR_SET_DUMPABLE, close_all_but, prctl

# Asks the program for its Python stack; the last but one, since the last is popular.
TRACE_SIGNAL = signal.SIGRTMAX - 1
# The C function, as socket.socketpair makes an object of Python's of each end.
socketpair = importlib.import_module("_socket").socketpair
_UNIX, _STREAM = int(socket.AF_UNIX), int(socket.SOCK_STREAM)


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
    (stdout, their_stdout), (stderr, their_stderr), (log, their_log), (trace, their_trace) = pipe(), pipe(), pipe(), pipe()
    channel, their_channel = _socket_pair()
    write_ends = (their_stdout, their_stderr, their_log, their_trace, their_channel)
    pid = fork()
    if pid == 0:
        set_wakeup_fd(-1)
        prctl(PR_SET_DUMPABLE, 1)
        close_all_but({0, 1, 2, *write_ends})
        return Launch(their_stdout, their_stderr, their_log, their_trace, their_channel, system_call_filter)
    for fd in write_ends:
        close(fd)
    for fd in (stdout, stderr, log, trace, channel):
        set_blocking(fd, False)
    return Child(pid, stdout, stderr, log, trace, channel)


def _socket_pair() -> tuple[int, int]:
    ours, theirs = socketpair(_UNIX, _STREAM)
    return ours.detach(), theirs.detach()
