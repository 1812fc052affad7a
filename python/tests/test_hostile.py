"""A program that attacks its runner harms itself at most."""

import base64
import struct
import unittest

from rig import Rig, run

FIND_CHANNEL = (
    "import os, socket, stat, struct\n"
    "fds = [int(n) for n in os.listdir('/proc/self/fd')]\n"
    "fds = [n for n in fds if os.path.islink(f'/proc/self/fd/{n}')]\n"
    "channel = next(n for n in fds if os.readlink(f'/proc/self/fd/{n}').startswith('socket:'))\n"
    "def frame(kind, payload, length=None):\n"
    "    return struct.pack('>Ic', len(payload) if length is None else length, kind) + payload\n"
)


def bpf(*instructions: tuple[int, int, int, int]) -> str:
    return base64.b64encode(b"".join(struct.pack("=HBBI", *each) for each in instructions)).decode()


class SystemCalls(unittest.TestCase):
    """A filter on the number alone: the same for every machine with this kernel's newer, common numbers."""

    REFUSE_IO_URING_SETUP = bpf((0x20, 0, 0, 0), (0x15, 0, 1, 425), (0x06, 0, 0, 0x50000 | 77), (0x06, 0, 0, 0x7FFF0000))
    CODE = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\nif os.fork() == 0:\n    libc.syscall(425, 0, None)\n    os._exit(ctypes.get_errno())\nprint(os.wait()[1] >> 8)"

    def test_are_judged_by_the_filter_that_the_host_gave(self) -> None:
        result = run(self.CODE, options=["--filter", self.REFUSE_IO_URING_SETUP])
        self.assertEqual((result.stdout, result.ending), ("77\n", (0, None)))

    def test_nothing_runs_where_the_kernel_refuses_the_filter(self) -> None:
        result = run("print(1)", options=["--filter", bpf((0xFFFF, 0, 0, 0))])
        self.assertEqual((result.stdout, "B" in result.kinds), ("", False))
        self.assertEqual([problem["stage"] for problem in result.problems], ["program_setup"])


class Descriptors(unittest.TestCase):
    def test_only_what_a_program_needs_is_open(self) -> None:
        code = "import os\nprint(sorted(os.path.basename(os.readlink(f'/proc/self/fd/{n}')).split(':')[0] for n in range(300) if os.path.islink(f'/proc/self/fd/{n}')))"
        self.assertEqual(run(code).stdout, "['null', 'pipe', 'pipe', 'pipe', 'pipe', 'socket']\n")

    def test_children_get_none_of_ours(self) -> None:
        code = "import subprocess\nprint(subprocess.run(['ls', '/proc/self/fd'], capture_output=True, text=True).stdout.split())"
        self.assertEqual(run(code).stdout, "['0', '1', '2', '3']\n")

    def test_the_supervisor_keeps_to_itself(self) -> None:
        code = (
            "import os\nfor name in ('mem', 'environ', 'fd'):\n"
            "    try:\n        os.listdir(f'/proc/{os.getppid()}/fd') if name == 'fd' else open(f'/proc/{os.getppid()}/{name}', 'rb').read(1)\n"
            "        print('open', name)\n    except OSError as e:\n        print(e.strerror)\n"
        )
        if __import__("os").geteuid() == 0:
            self.skipTest("root may read every process; the sandbox never runs as root")
        self.assertEqual(run(code).stdout, "Permission denied\n" * 3)

    def test_all_closed_that_a_program_may_have_open(self) -> None:
        result = run(
            "import asyncio, os, resource\nos.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
            "async def main(): await local_tools.echo('x')\nasyncio.run(main())\n1 / 0"
        )
        self.assertEqual((result.message("exception")["type"], result.ending), ("ZeroDivisionError", (1, None)))

    def test_all_closed(self) -> None:
        result = run(
            "import asyncio, os\nos.closerange(3, 300)\nprint('on')\n"
            "async def main(): await local_tools.echo('x')\nasyncio.run(main())"
        )
        self.assertEqual((result.stdout, result.ending), ("on\n", (1, None)))
        self.assertIn("ToolError: tool_cancelled", result.stderr)


class ForgedFrames(unittest.TestCase):
    def test_verdict_frames_are_refused(self) -> None:
        for kind in ("X", "H", "B", "P", "O", "J", "S", "Z"):
            with self.subTest(kind):
                result = run(FIND_CHANNEL + f"os.write(channel, frame(b'{kind}', b'{{}}'))\nprint('on')\nraise SystemExit(5)")
                self.assertEqual(result.ending, (5, None))
                self.assertEqual(result.stdout, "on\n")
                self.assertEqual([p["stage"] for p in result.problems], ["program_channel"])
                self.assertEqual(result.kinds.count("X") + result.kinds.count("H") + result.kinds.count("B"), 3)

    def test_oversize(self) -> None:
        result = run(FIND_CHANNEL + "os.write(channel, frame(b'C', b'', 0xffffffff))\nprint('on')")
        self.assertEqual((result.stdout, result.ending), ("on\n", (0, None)))
        self.assertIn("4294967295 bytes", result.problems[0]["message"])

    def test_rubbish_is_relayed_for_the_host_to_judge(self) -> None:
        with Rig() as rig:
            rig.send_job(FIND_CHANNEL + "os.write(channel, frame(b'C', b'\\xff{{{'))\nprint('on')")
            kinds = ""
            while True:
                frame = rig.next_frame()
                if frame is None:
                    break
                kinds += frame[0]
                if frame[0] == "C":
                    self.assertEqual(frame[1], b"\xff{{{")
            self.assertEqual(sorted(kinds), sorted("HBCOX"))

    def test_half_a_frame(self) -> None:
        result = run(FIND_CHANNEL + "os.write(channel, frame(b'C', b'abc', 1000))\nos._exit(0)")
        self.assertEqual((result.ending, result.messages, result.problems), ((0, None), [], []))

    def test_results_printed_on_stdout_are_output(self) -> None:
        result = run("import sys, struct\nsys.stdout.buffer.write(struct.pack('>Ic', 2, b'X') + b'{}')\nsys.exit(3)")
        self.assertEqual(result.ending, (3, None))


class Floods(unittest.TestCase):
    def test_output(self) -> None:
        code = "import os\nblock = b'x' * 65536\nfor _ in range(1600): os.write(1, block)\n"
        total = 0

        def count(kind: str, payload: bytes) -> None:
            nonlocal total
            if kind == "O":
                total += len(payload)
                self.assertLessEqual(len(payload), 1024 * 1024)

        with Rig() as rig:
            rig.send_job(code)
            result = rig.follow(count)
        self.assertEqual((total, result.ending), (1600 * 65536, (0, None)))

    def test_a_host_that_reads_slowly_can_still_stop_it(self) -> None:
        with Rig() as rig:
            rig.send_job("import os\nwhile True: os.write(1, b'x' * 65536)")
            rig.wait_for("O")
            rig.stop(grace_ms=50)
            self.assertIn(rig.follow().exit["signal"], ("SIGTERM", "SIGKILL"))

    def test_messages(self) -> None:
        result = run(FIND_CHANNEL + "for _ in range(2000): os.write(channel, frame(b'C', b'[1]'))\nprint('on')", tools=[])
        self.assertEqual((len(result.messages), result.ending), (2000, (0, None)))

    def test_answers_that_are_never_read(self) -> None:
        with Rig() as rig:
            rig.send_job(FIND_CHANNEL + "print('ready')\nimport time\ntime.sleep(999)")
            rig.wait_for("O")
            for number in range(12):
                rig.send(b"A", {"id": str(number), "ok": True, "ret": "x" * 4_000_000})
            rig.stop(grace_ms=50)
            result = rig.follow()
        self.assertEqual([p["stage"] for p in result.problems], ["program_channel"])
        self.assertEqual(result.ending, (None, "SIGTERM"))

    def test_signals_to_the_supervisor(self) -> None:
        result = run("import os, signal\nfor s in signal.valid_signals() - {9, 19}: os.kill(os.getppid(), s)\nprint('on')")
        self.assertEqual((result.stdout, result.ending, result.supervisor_status), ("on\n", (0, None), 0))

    def test_a_forged_stack_is_not_taken(self) -> None:
        code = (
            "import os, time\nfor n in range(3, 30):\n    try:\n        os.write(n, b'forged stack')\n    except OSError:\n        pass\n"
            "print('ready')\ntime.sleep(999)"
        )
        with Rig() as rig:
            rig.send_job(code)
            rig.wait_for("O")
            rig.stop(trace=True)
            result = rig.follow()
        self.assertNotIn("forged", result.trace)
        self.assertIn("main.py", result.trace)
