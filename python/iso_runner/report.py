"""What the supervisor says of itself: the hello, and the exit frame with how the program ended and what it used, by the kernel.

What changes is filled into forms. The encoder of `json` makes an object and functions of each message, which are forty-five
copied pages a run.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from os import WEXITSTATUS, WIFEXITED, WIFSIGNALED, WTERMSIG, getpid
from resource import RUSAGE_CHILDREN, getrusage
from typing import Optional, Union

from .frames import PROTOCOL_VERSION
from .kernel import last_pid, oom_kills, own_cgroup, process_hits

_REPORT = (
    b'{"exitCode":%b,"signal":%b,"stopped":%b,'
    b'"usage":{"cpuMs":%b,"maxRssBytes":%b,"processes":%b},"kernel":{"oomKills":%b,"processHits":%b}}'
)
_PYTHON = json.dumps({"path": sys.executable, "version": sys.version.split()[0]})
_HELLO = f'{{"protocol":{PROTOCOL_VERSION},"python":{_PYTHON},'.encode()


def hello() -> bytes:
    return b'%b"pid":%d,"cgroup":%b}' % (_HELLO, getpid(), _json(own_cgroup()))


class Counters:
    """What the kernel had counted when the sandbox began; a sandbox may live in a cgroup that is older than it."""

    def __init__(self) -> None:
        self._oom_kills = oom_kills()
        self._process_hits = process_hits()

    def since(self) -> tuple[Optional[int], Optional[int]]:
        """Kills for memory, and forks refused."""
        return _difference(self._oom_kills, oom_kills), _difference(self._process_hits, process_hits)


def exit_report(status: Optional[int], pid: Optional[int], stopped: bool, counters: Counters) -> bytes:
    """`status` is the program's wait status, None where no job ever ran; every process must have been reaped.

    `stopped` is false where it had ended before anything was done to stop it.
    """
    code = name = cpu_ms = rss = processes = None
    if status is not None:
        code = WEXITSTATUS(status) if WIFEXITED(status) else None
        name = _signal_name(WTERMSIG(status)) if WIFSIGNALED(status) else None
        usage = getrusage(RUSAGE_CHILDREN)
        cpu_ms, rss = round((usage.ru_utime + usage.ru_stime) * 1000, 1), usage.ru_maxrss * 1024
        processes = _tasks_started(pid)
    kills, hits = counters.since()
    return _REPORT % tuple(map(_json, (code, name, stopped, cpu_ms, rss, processes, kills, hits)))


def _json(value: Union[bool, float, str, None]) -> bytes:
    if value is None:
        return b"null"
    if isinstance(value, str):
        return encode_basestring_ascii(value).encode()
    if isinstance(value, bool):
        return b"true" if value else b"false"
    return b"%a" % value


def _tasks_started(pid: Optional[int]) -> Optional[int]:
    last = last_pid()
    return None if last is None or pid is None or last < pid else last - pid + 1


def _difference(before: Optional[int], count: Callable[[], Optional[int]]) -> Optional[int]:
    after = None if before is None else count()
    return None if before is None or after is None else max(0, after - before)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"
