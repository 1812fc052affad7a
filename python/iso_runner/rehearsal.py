"""What every sandbox does between its fork and its end, done a few times before anything is forked.

CPython adapts code that has run a few times. What has not run yet looks each attribute up by its name, and that writes: to the
name, to the dictionary, to a cache of the interpreter's, to the counters of the code itself. In a fork each of these is a page to
be copied; it saves a first process some hundred and thirty, and a program that waits twenty-five. Only what can be done anywhere
is rehearsed: bytes go through pipes of our own. Nothing here ends or makes a process, mounts, limits or changes what a signal
does.
"""

from __future__ import annotations

import json
import linecache
import os
import random
import socket
import threading
from collections.abc import Callable
from typing import Any

from . import program, shutdown, tools
from .channel import ProgramChannel
from .frames import encode
from .launch import Child
from .report import Counters, exit_report
from .supervisor import Supervisor

# What CPython runs in each forked process first of all. In one that has a single thread, and whose locks nobody holds,
# it leaves all as it was.
_after_fork: Callable[[], object] = getattr(threading, "_after_fork", lambda: None)
# What CPython takes to adapt code, and some more.
_TIMES = 24
_MAIN = "/sandbox/work/main.py"
_TOOL = {"name": "example", "params": ["text"], "doc": ""}
_JOB: dict[str, Any] = {
    "code": "0",
    "args": [],
    "tools": [{"alias": "examples", "tools": [_TOOL]}],
    "env": {"EXAMPLE": ""},
    **dict.fromkeys(("work", "out", "runId", "turnId", "userId"), ""),
}


def rehearse() -> None:
    before = set(os.environ)
    job = encode(b"J", json.dumps(_JOB).encode())
    for _ in range(_TIMES):
        _run(job)
        _after_fork()
    linecache.cache.pop(_MAIN, None)
    for name in before ^ os.environ.keys():
        del os.environ[name]


def _run(job: bytes) -> None:
    host, control = socket.socketpair()
    ours, theirs = socket.socketpair()
    outputs = [os.pipe() for _ in range(4)]
    for end in (*[read for read, _ in outputs], ours.fileno()):
        os.set_blocking(end, False)
    supervisor = Supervisor(control.fileno(), control.fileno(), None)
    supervisor.say_hello()
    stdout, stderr, log, trace = (read for read, _ in outputs)
    supervisor.attend(Child(0, stdout, stderr, log, trace, ours.detach()))
    host.sendall(job)
    supervisor.take_turn()
    _play(ProgramChannel(theirs.fileno()), outputs[0][1])
    supervisor.take_turn()
    for end in (*[write for _, write in outputs], theirs.detach()):
        os.close(end)
    supervisor.take_turn()
    exit_report(0, 1, False, Counters())
    host.shutdown(socket.SHUT_WR)
    supervisor.report_exit()
    supervisor.close()
    os.close(trace)
    host.close()
    control.close()


def _play(channel: ProgramChannel, stdout: int) -> None:
    """What the program's process does of its own."""
    frame = channel.receive()
    assert frame is not None
    _, payload = frame
    job = program.read_job(payload)
    program.complete_environment(job)
    program.prime_linecache(_MAIN, job["code"])
    tools.install({}, job["tools"], channel, _MAIN).warn_unstarted()
    channel.begin()
    os.write(stdout, b"1\n")
    shutdown.new_modules()
    random.seed()
