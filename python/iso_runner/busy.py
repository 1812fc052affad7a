"""How long the program computed since somebody last looked: what the host's deadline charges while a tool call is under way."""

from __future__ import annotations

import os
import resource
import time
from typing import Optional

from . import kernel

# Looking costs a file for each process; at most a tenth of the time goes into it.
LOOK_EVERY_S = 0.25
SHARE_OF_TIME = 10
# What a task may have used that began and ended between two looks, and whose parent had the kernel forget it.
UNSEEN_TASK_S = 0.01
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class BusyClock:
    """Processor time of every process but this one, with that of the children they waited for."""

    def __init__(self) -> None:
        self._seen = _processor_times()
        self._reaped = _reaped_s()
        self._last_pid = kernel.last_pid()
        self.next_look = time.monotonic() + LOOK_EVERY_S

    def look(self) -> float:
        """Seconds of processor time since the last look. Of a child that was seen and then waited for some may count twice."""
        began = time.monotonic()
        seen, reaped, last_pid = _processor_times(), _reaped_s(), kernel.last_pid()
        used = sum(max(0.0, spent - self._seen.get(process, 0.0)) for process, spent in seen.items())
        used += max(0.0, reaped - self._reaped) + _tasks_between(self._last_pid, last_pid) * UNSEEN_TASK_S
        self._seen, self._reaped, self._last_pid = seen, reaped, last_pid
        now = time.monotonic()
        self.next_look = now + max(LOOK_EVERY_S, (now - began) * SHARE_OF_TIME)
        return used


def _tasks_between(before: Optional[int], after: Optional[int]) -> int:
    # Numbers start anew after the highest one.
    return 0 if before is None or after is None else max(0, after - before)


def _reaped_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _processor_times() -> dict[tuple[int, bytes], float]:
    """By pid and start time: a number is given to somebody else later."""
    found: dict[tuple[int, bytes], float] = {}
    for pid in kernel.others():
        try:
            # The command's name is in brackets and may hold anything.
            fields = kernel.read_file(f"/proc/{pid}/stat").rpartition(b")")[2].split()
            found[(pid, fields[19])] = sum(map(int, fields[11:15])) / _TICKS_PER_S
        except (OSError, IndexError, ValueError):
            continue  # it ended meanwhile
    return found
