"""The rehearsal: what it leaves behind in a launcher, which is nothing."""

import linecache
import os
import signal
import threading
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
        "threads of Python": [(thread, thread.ident, thread.is_alive()) for thread in threading.enumerate()],
        "main thread": threading.main_thread(),
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

    def test_threads_begin_and_end_as_before(self) -> None:
        rehearse()
        ran = []
        thread = threading.Thread(target=lambda: ran.append(threading.current_thread()))
        thread.start()
        thread.join(10)
        self.assertEqual(ran, [thread])
        self.assertEqual(threading.enumerate(), [threading.main_thread()])


if __name__ == "__main__":
    unittest.main()
