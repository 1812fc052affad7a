"""The rehearsal: what it leaves behind in a launcher, which is nothing."""

import linecache
import os
import signal
import unittest

import iso_runner_path  # noqa: F401 - makes the runner importable

from iso_runner.rehearsal import rehearse


def _state() -> dict[str, object]:
    return {
        "descriptors": sorted(os.listdir("/proc/self/fd")),
        "environment": dict(os.environ),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "mask": signal.pthread_sigmask(signal.SIG_BLOCK, []),
        "wakes by": _wakeup_fd(),
        "lines": set(linecache.cache),
        "threads": os.listdir("/proc/self/task"),
        "folder": os.getcwd(),
    }


def _wakeup_fd() -> int:
    found = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(found)
    return found


class Rehearsal(unittest.TestCase):
    def test_it_leaves_everything_as_it_was(self) -> None:
        rehearse()  # what is opened once and stays
        before = _state()
        rehearse()
        self.assertEqual(_state(), before)


if __name__ == "__main__":
    unittest.main()
