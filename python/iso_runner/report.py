"""The body of the exit frame: how the program ended and what it used, as the kernel tells it."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from typing import Any, Optional

from . import kernel


class Counters:
    """What the kernel had counted when the sandbox began; a sandbox may live in a cgroup that is older than it."""

    def __init__(self) -> None:
        self._oom_kills = kernel.oom_kills()
        self._process_hits = kernel.process_hits()

    def since(self) -> dict[str, Optional[int]]:
        return {
            "oomKills": _difference(self._oom_kills, kernel.oom_kills),
            "processHits": _difference(self._process_hits, kernel.process_hits),
        }


def exit_report(status: Optional[int], pid: Optional[int], stopped: bool, counters: Counters) -> dict[str, Any]:
    """`status` is the program's wait status, None where no job ever ran; every process must have been reaped.

    `stopped` is false where it had ended before anything was done to stop it.
    """
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = status is not None
    return {
        "exitCode": os.WEXITSTATUS(status) if status is not None and os.WIFEXITED(status) else None,
        "signal": _signal_name(os.WTERMSIG(status)) if status is not None and os.WIFSIGNALED(status) else None,
        "stopped": stopped,
        "usage": {
            "cpuMs": round((usage.ru_utime + usage.ru_stime) * 1000, 1) if ran else None,
            "maxRssBytes": usage.ru_maxrss * 1024 if ran else None,
            "processes": _tasks_started(pid) if ran else None,
        },
        "kernel": counters.since(),
    }


def _tasks_started(pid: Optional[int]) -> Optional[int]:
    last = kernel.last_pid()
    return None if last is None or pid is None or last < pid else last - pid + 1


def _difference(before: Optional[int], count: Callable[[], Optional[int]]) -> Optional[int]:
    after = None if before is None else count()
    return None if before is None or after is None else max(0, after - before)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"
