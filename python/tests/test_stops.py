"""Whatever a program does, a stop ends it and everything it started, and tells what it had written."""

import json
import unittest

from rig import Rig, is_gone, own_pids, run, run_and_stop


class Watched(unittest.TestCase):
    CHILD = "import os, time\nprint('ready')\nif os.fork() == 0:\n    while True: pass\ntime.sleep(999)"

    def busy(self, code: str) -> list[float]:
        with Rig() as rig:
            rig.send_job(code)
            rig.wait_for("O")
            rig.send(b"W", {})
            told = [json.loads(rig.wait_for("U"))["busyMs"] for _ in range(4)]
            rig.stop()
            self.assertIsNotNone(rig.follow().exit)
        return told

    def test_what_computes_is_told_and_what_waits_is_not(self) -> None:
        self.assertLess(sum(self.busy("import time\nprint('ready')\ntime.sleep(999)")), 60)
        for code in ("print('ready')\nwhile True: pass", self.CHILD):
            with self.subTest(code):
                self.assertGreater(sum(self.busy(code)), 60)


class Stops(unittest.TestCase):
    def test_busy_loop(self) -> None:
        result = run_and_stop("print('ready')\nwhile True: pass", trace=True)
        self.assertEqual((result.ending, result.exit["stopped"]), ((None, "SIGTERM"), True))
        self.assertEqual(result.stdout, "ready\n")
        self.assertRegex(result.trace, r'main\.py", line [12] in <module>')

    def test_sleep_shows_where_it_stood(self) -> None:
        result = run_and_stop("import time\ndef wait():\n    print('ready'); time.sleep(999)\nwait()", trace=True)
        self.assertIn('main.py", line 3 in wait', result.trace)
        self.assertIn('main.py", line 4 in <module>', result.trace)

    def test_waiting_tasks_show_where_they_stood(self) -> None:
        code = (
            "import asyncio\nasync def leaf():\n    await asyncio.sleep(999)\nasync def branch():\n    await leaf()\n"
            "asyncio.create_task(branch(), name='a\\nb')\nasyncio.get_running_loop().call_later(0.01, print, 'ready')\nawait asyncio.Event().wait()"
        )
        trace = run_and_stop(code, trace=True).trace
        self.assertRegex(trace, r'Task "Task-1" \(most recent call first\):\n.*\n  File ".*main\.py", line 8 in <module>\n')
        self.assertRegex(trace, r'Task "a\\nb" .*\n.* in sleep\n.*main\.py", line 3 in leaf\n.*main\.py", line 5 in branch\n')

    def test_tasks_made_to_trip_the_telling_of_them_do_not(self) -> None:
        code = (
            "import asyncio\nclass Bad(asyncio.Task):\n    def get_name(self): raise SystemError\nasync def forever():\n    await asyncio.sleep(999)\n"
            "loop = asyncio.get_running_loop()\nkept = Bad(forever(), loop=loop)\nprint('ready')\nawait asyncio.sleep(999)"
        )
        self.assertEqual(run_and_stop(code, trace=True).ending, (None, "SIGTERM"))

    def test_unfinished_line_is_kept(self) -> None:
        code = "import os, time\nprint('half', end='')\nos.write(1, b'ready ')\ntime.sleep(999)"
        self.assertEqual(run_and_stop(code).stdout, "ready half")

    def test_a_loop_inside_c(self) -> None:
        code = "import hashlib, signal\nsignal.signal(15, lambda *_: None)\nprint('ready'); hashlib.pbkdf2_hmac('sha256', b'x', b'y', 2**31 - 1)"
        result = run_and_stop(code, trace=True)
        self.assertEqual(result.ending, (None, "SIGKILL"))
        self.assertIn('main.py", line 3', result.trace)

    def test_a_catastrophic_pattern(self) -> None:
        result = run_and_stop("import re\n\nprint('ready'); re.match('(a+)+$', 'a' * 60 + 'b')", trace=True)
        self.assertIn(result.ending, [(None, "SIGTERM"), (None, "SIGKILL")])
        self.assertIn('main.py", line 3', result.trace)

    def test_every_signal_ignored_or_blocked(self) -> None:
        for how in (
            "[signal.signal(s, signal.SIG_IGN) for s in signal.valid_signals() - {9, 19, 32, 33}]",
            "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())",
        ):
            with self.subTest(how):
                result = run_and_stop(f"import signal\n{how}\nprint('ready')\nwhile True: pass", trace=True)
                self.assertEqual(result.ending, (None, "SIGKILL"))

    def test_a_stopped_process(self) -> None:
        result = run_and_stop("import os\nprint('ready')\nos.kill(os.getpid(), 19)\nprint('went on')\nwhile True: pass")
        self.assertEqual(result.ending, (None, "SIGTERM"))

    def test_own_sigterm_handler_has_its_grace(self) -> None:
        code = "import os, signal, sys, time\nsignal.signal(15, lambda *a: (print('cleaned'), sys.exit(9)))\nos.write(1, b'ready\\n')\ntime.sleep(999)"
        result = run_and_stop(code, grace_ms=20_000)
        self.assertEqual((result.stdout, result.ending), ("ready\ncleaned\n", (9, None)))

    def test_children_ended_in_their_first_moment(self) -> None:
        code = (
            "import multiprocessing, os, time\nfor _ in range(500):\n    pid = os.fork()\n"
            "    if pid == 0:\n        while True: time.sleep(9)\n"
            "    os.kill(pid, 15)\n    assert os.waitpid(pid, 0)[1] == 15\n"
            "for _ in range(20):\n    with multiprocessing.Pool(2) as pool: assert pool.map(abs, [-3]) == [3]\n"
        )
        self.assertEqual(run(code).ending, (0, None))

    def test_a_hundred_children_that_ignore_sigterm(self) -> None:
        code = (
            "import os, signal, time\nsignal.signal(15, signal.SIG_IGN)\nr, w = os.pipe()\n"
            "for _ in range(100):\n    if os.fork() == 0:\n        os.write(w, b'x')\n        while True: time.sleep(9)\n"
            "n = 0\nwhile n < 100: n += len(os.read(r, 100))\nprint('ready')\nwhile True: pass"
        )
        result = run_and_stop(code)
        self.assertEqual(result.ending, (None, "SIGKILL"))

    def test_stop_before_the_job(self) -> None:
        with Rig() as rig:
            rig.stop()
            result = rig.follow()
            self.assertEqual((result.kinds, result.ending, result.supervisor_status), ("HX", (None, None), 0))

    def test_stop_right_behind_the_job(self) -> None:
        with Rig() as rig:
            rig.send_job("while True: pass")
            rig.stop(trace=True)
            self.assertIn(rig.follow().exit["signal"], ("SIGTERM", "SIGKILL"))

    def test_answers_that_cross_the_exit_frame_do_not_break_the_stream(self) -> None:
        with Rig() as rig:
            rig.send_job("pass")
            rig.wait_for("X")
            for _ in range(50):
                rig.send(b"A", {"id": "late", "ok": True, "ret": "x" * 100_000})
            rig.release()
            self.assertEqual(rig.process.wait(60), 0)


class Leftovers(unittest.TestCase):
    def test_background_children_neither_delay_nor_survive(self) -> None:
        code = (
            "import os, signal, time\n"
            "for new_session in (False, True):\n"
            "    if os.fork() == 0:\n"
            "        if new_session:\n            os.setsid()\n            if os.fork(): os._exit(0)\n"
            "        for s in (1, 2, 15): signal.signal(s, signal.SIG_IGN)\n"
            "        print(os.getpid())\n"
            "        while True: time.sleep(9)\n"
            "time.sleep(0.3)\nprint('done')"
        )
        result = run(code)
        self.assertIn("done", result.stdout)
        self.assertEqual(result.ending, (0, None))
        pids = own_pids(result.stdout)
        self.assertEqual(len(pids), 2)
        for pid in pids:
            self.assertTrue(is_gone(pid), pid)

    def test_a_host_that_dies_takes_all_with_it(self) -> None:
        with Rig() as rig:
            rig.send_job("import os\nos.fork()\nprint(os.getpid())\nwhile True: pass")
            text = b""
            while text.count(b"\n") < 2:
                frame = rig.next_frame()
                assert frame is not None
                text += frame[1] if frame[0] == "O" else b""
        for pid in own_pids(text.decode()):
            self.assertTrue(is_gone(pid), pid)

    def test_an_unused_supervisor_ends_with_its_host(self) -> None:
        with Rig() as rig:
            self.assertEqual((rig.next_frame() or ("", b""))[0], "H")
        self.assertEqual(rig.process.returncode, 0)
