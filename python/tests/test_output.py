"""Output that flows: whole and in order, also where a program does to its own pipes what it can."""

from __future__ import annotations

import hashlib
import os
import sys
import unittest

from iso_runner_path import frames  # noqa: F401 - makes iso_runner importable
from rig import Rig, run

FLOOD = """
import os, hashlib
digest = hashlib.sha256()
for number in range(3000):
    block = (b"%07d\\n" % number) * (number % 37 * 60 + 1)
    digest.update(block)
    view = memoryview(block)
    while view: view = view[os.write(1, view):]
os.write(2, digest.hexdigest().encode())
"""


# Now and then longer than a flow is left to gather.
SLOW_CLOCK = """
import random, time
def look(monotonic=time.monotonic, chance=random.Random(1)):
    time.sleep(0.0015 * (chance.random() < 0.5))
    return monotonic()
time.monotonic = look
"""


# As a kernel might have it. From a pipe into a pipe is what fills ours, into a socket is what empties it.
SPLICES = {
    "nothing is ever there": "def splice(*_, flags): raise BlockingIOError(11, 'nothing')",
    "nothing is there now and then": """
def splice(*given, flags, count=[0]):
    count[0] += 1
    if count[0] % 3 == 0: raise BlockingIOError(11, 'nothing')
    return real(*given, flags=flags)
""",
    "nothing goes into a socket": """
import stat
def splice(source, target, most, flags):
    return real(source, target, most, flags=flags) if stat.S_ISFIFO(os.fstat(target).st_mode) else 0
""",
    "a socket is refused": """
import stat
def splice(source, target, most, flags):
    if stat.S_ISFIFO(os.fstat(target).st_mode): return real(source, target, most, flags=flags)
    raise OSError(22, 'a socket')
""",
    "little at a time": "def splice(source, target, most, flags): return real(source, target, min(most, 7000), flags=flags)",
}
# What `os.pipe` and `fcntl` give where /proc/sys/fs/pipe-user-pages-soft is reached.
NARROW_PIPES = """
import errno, fcntl, os
def pipe(real=os.pipe):
    ends = real()
    set_size(ends[0], 1031, 8192)
    return ends
set_size = fcntl.fcntl
def no_wider(fd, command, *more):
    if command == 1031: raise PermissionError(errno.EPERM, 'no more')
    return set_size(fd, command, *more)
os.pipe = pipe
fcntl.fcntl = no_wider
"""


class Flow(unittest.TestCase):
    def expect_whole(self, code: str, before: str = "") -> None:
        digest = hashlib.sha256()
        told = b""

        def take(kind: str, payload: bytes) -> None:
            nonlocal told
            if kind == "O":
                digest.update(payload)
            elif kind == "E":
                told += payload

        with Rig(before=before) as rig:
            rig.send_job(code)
            result = rig.follow(take)
        self.assertEqual((result.ending, told), ((0, None), digest.hexdigest().encode()))

    def test_blocks(self) -> None:
        self.expect_whole(FLOOD)

    def test_a_supervisor_that_gets_no_processor_between_two_looks_at_the_clock(self) -> None:
        with Rig(before=SLOW_CLOCK) as rig:
            rig.send_job("for _ in range(200_000): print('x' * 49)")
            result = rig.follow()
        self.assertEqual((result.ending, len(result.stdout)), ((0, None), 10_000_000))

    @unittest.skipUnless(hasattr(os, "splice"), "nothing is spliced")
    def test_a_kernel_that_splices_nothing_or_not_all(self) -> None:
        for name, spliced in SPLICES.items():
            with self.subTest(name):
                before = f"import os\nreal = os.splice\n{spliced}\nos.splice = splice"
                self.expect_whole(FLOOD.replace("3000", "1000"), before)

    @unittest.skipUnless(sys.platform == "linux", "pipes of other systems have no size that is set")
    def test_a_user_whose_pipes_may_hold_no_more(self) -> None:
        self.expect_whole(FLOOD.replace("3000", "1000"), before=NARROW_PIPES)

    @unittest.skipUnless(sys.platform == "linux", "O_DIRECT makes packets of a Linux pipe")
    def test_packets(self) -> None:
        self.expect_whole(f"import fcntl, os\nfcntl.fcntl(1, fcntl.F_SETFL, {os.O_DIRECT})\n" + FLOOD)

    def test_lines_of_both_streams_keep_their_order(self) -> None:
        code = "import sys\nfor n in range(200_000):\n    print(n)\n    if n % 100 == 0: print(n, file=sys.stderr)\n"
        result = run(code)
        self.assertEqual(result.stdout, "".join(f"{n}\n" for n in range(200_000)))
        self.assertEqual(result.stderr, "".join(f"{n}\n" for n in range(0, 200_000, 100)))
        self.assertEqual(result.ending, (0, None))

    def test_what_was_printed_before_a_kill_is_there(self) -> None:
        result = run("import os\nfor n in range(300_000): print(n)\nos.kill(os.getpid(), 9)")
        self.assertEqual(result.ending, (None, "SIGKILL"))
        self.assertTrue(result.stdout.endswith("\n299999\n"))

    def test_a_program_that_reads_its_own_output_takes_it_from_itself_only(self) -> None:
        code = (
            "import os, threading\nfd = os.open('/proc/self/fd/1', os.O_RDONLY | os.O_NONBLOCK)\n"
            "def steal():\n    while True:\n        try: os.read(fd, 5000)\n        except BlockingIOError: pass\n"
            "threading.Thread(target=steal, daemon=True).start()\n"
            "block = b'x' * 65536\nfor _ in range(500): os.write(1, block)\nos._exit(7)\n"
        )
        result = run(code)
        self.assertEqual((result.ending, result.problems), ((7, None), []))
        self.assertLessEqual(set(result.stdout), {"x"})


if __name__ == "__main__":
    unittest.main()
