"""How a program ends is told as the kernel saw it, and in the program's own words."""

import sys
import unittest

from rig import run


class ExitStatus(unittest.TestCase):
    def test_codes(self) -> None:
        for code, status in {
            "pass": 0,
            "import sys; sys.exit()": 0,
            "import sys; sys.exit(3)": 3,
            "import sys; sys.exit(True)": 1,
            "import sys; sys.exit(300)": 300 & 0xFF,
            "import sys; sys.exit(-1)": 255,
            "import sys; sys.exit(137)": 137,
            "raise SystemExit": 0,
            "import os; os._exit(4)": 4,
            "await __import__('asyncio').sleep(0); raise SystemExit(6)": 6,
        }.items():
            with self.subTest(code):
                result = run(code)
                self.assertEqual(result.ending, (status, None), result.stderr)
                self.assertEqual(result.messages, [])
                self.assertEqual(result.kinds[0] + result.kinds[-1], "HX")
                self.assertEqual(result.supervisor_status, 0)

    def test_exit_with_text(self) -> None:
        result = run("import sys; sys.exit('no luck')")
        self.assertEqual((result.ending, result.stderr), ((1, None), "no luck\n"))

    def test_signals(self) -> None:
        for code, name in {
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)": "SIGKILL",
            "import os, signal; os.kill(os.getpid(), signal.SIGTERM)": "SIGTERM",
            "import os; os.abort()": "SIGABRT",
            "import ctypes; ctypes.string_at(0)": "SIGSEGV",
            "raise KeyboardInterrupt": "SIGINT",
        }.items():
            with self.subTest(code):
                self.assertEqual(run(code).ending, (None, name))

    def test_an_interrupt_as_cpython_means_it(self) -> None:
        self.assertEqual(run("class Own(KeyboardInterrupt): pass\nraise Own").ending, (1, None))
        masked = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\nraise KeyboardInterrupt"
        self.assertEqual(run(masked).ending, (130, None))

    def test_a_crash_of_the_interpreter_leaves_its_stack(self) -> None:
        self.assertIn('main.py", line 2', run("import ctypes\nctypes.string_at(0)").stderr)

    def test_a_sigterm_keeps_what_was_printed_without_newline(self) -> None:
        result = run("import os\nprint('half', end='')\nos.kill(os.getpid(), 15)")
        self.assertEqual((result.stdout, result.ending), ("half", (None, "SIGTERM")))

    def test_a_closed_stdout_is_status_120(self) -> None:
        self.assertEqual(run("import os\nprint('x', end='')\nos.close(1)").ending, (120, None))

    def test_usage_is_counted(self) -> None:
        usage = run("sum(range(3_000_000))").exit["usage"]
        self.assertGreater(usage["cpuMs"], 0)
        self.assertGreater(usage["maxRssBytes"], 1_000_000)


class Exceptions(unittest.TestCase):
    def test_traceback_is_the_snippets_own(self) -> None:
        result = run("def f():\n    return 1 / 0\n\nf()\n")
        message = result.message("exception")
        self.assertEqual((message["type"], message["message"]), ("ZeroDivisionError", "division by zero"))
        self.assertEqual(message["traceback"], result.stderr)
        self.assertIn("line 4, in <module>\n    f()", result.stderr)
        self.assertIn("line 2, in f\n    return 1 / 0", result.stderr)
        self.assertNotIn("iso_runner", result.stderr)
        self.assertEqual(result.ending, (1, None))

    def test_source_lines_survive_a_changed_file(self) -> None:
        code = "import os\nos.chmod(__file__, 0o644)\nopen(__file__, 'w').write('# other')\nraise ValueError('x')\n"
        self.assertIn("raise ValueError('x')", run(code).stderr)

    def test_async_traceback_has_no_frames_of_ours(self) -> None:
        result = run("import asyncio\nawait asyncio.sleep(0)\nraise LookupError('a')\n")
        self.assertIn("line 3, in <module>", result.stderr)
        for foreign in ("iso_runner", "runners.py", "base_events"):
            self.assertNotIn(foreign, result.stderr)

    def test_chained(self) -> None:
        result = run("try:\n    {}['k']\nexcept KeyError as e:\n    raise RuntimeError('outer') from e\n")
        self.assertIn("The above exception was the direct cause", result.stderr)
        self.assertIn("KeyError: 'k'", result.stderr)

    def test_tool_error_is_trimmed(self) -> None:
        result = run("await local_tools.fail()")
        self.assertNotIn("iso_runner", result.stderr)
        self.assertEqual(result.message("exception")["type"], "ToolError")
        self.assertTrue(result.stderr.endswith("ToolError: tool_failed: it always fails\n"), result.stderr)

    def test_lines_are_those_the_compiler_counts(self) -> None:
        result = run("\ufeffx = 1\r\n\x0c\r\ny = '\u2028\x85\x1c'\r\nx = (1 / 0)")
        self.assertIn("    x = (1 / 0)\n", result.stderr)
        if sys.version_info >= (3, 11):
            self.assertIn("         ~~^~~\n", result.stderr)

    def test_syntax_error(self) -> None:
        result = run("x = 1\nif x\n    pass\n")
        self.assertIn('main.py", line 2', result.stderr)
        self.assertEqual(result.message("exception")["type"], "SyntaxError")
        self.assertNotIn("iso_runner", result.stderr)
        self.assertEqual(result.ending, (1, None))

    def test_no_future_of_ours_leaks_into_the_snippet(self) -> None:
        self.assertEqual(run("def f(x: int): pass\nprint(f.__annotations__)").stdout, "{'x': <class 'int'>}\n")

    def test_code_that_is_no_text(self) -> None:
        for code in ("print(1)\0", "x = '\ud800'"):
            with self.subTest(ascii(code)):
                result = run(code)
                self.assertEqual(result.ending, (1, None))
                self.assertTrue(result.message("exception")["message"])

    def test_recursion_is_bounded(self) -> None:
        for code in ("def f(): f()\nf()", "def f(): g()\ndef g(): f()\nf()"):
            with self.subTest(code):
                result = run(code)
                message = result.message("exception")
                self.assertEqual(message["type"], "RecursionError")
                self.assertLessEqual(len(message["traceback"]), 262_144)

    def test_huge_message_is_cut_in_the_middle(self) -> None:
        message = run("raise ValueError('a' + '\U0001f600' * 500_000 + 'z')").message("exception")
        self.assertLessEqual(len(message["message"].encode("utf-16-le")) // 2, 65_536)
        self.assertTrue(message["message"].startswith("a") and message["message"].endswith("z"))
        self.assertLessEqual(len(message["traceback"].encode("utf-16-le")) // 2, 262_144)

    def test_names_of_refusals(self) -> None:
        for code, name in {
            "keep = []\nwhile True: keep.append(open('/dev/null'))": "EMFILE",
            "open('big', 'wb').truncate(60_000_000)": "EFBIG",
            "raise MemoryError('simulated')": "ENOMEM",
            "raise BlockingIOError(11, 'Resource temporarily unavailable')": "EAGAIN",
            "open('/nowhere')": "ENOENT",
            "raise ValueError": None,
        }.items():
            with self.subTest(code):
                self.assertEqual(run(code).message("exception")["errno"], name)

    def test_memory_limit_of_the_process_is_a_memory_error(self) -> None:
        limits = {"openFiles": 256, "fileSize": 50_000_000, "processes": None, "addressSpace": 600_000_000}
        result = run("data = bytearray(2_000_000_000)", limits=limits)
        self.assertEqual(result.message("exception")["type"], "MemoryError")

    def test_memory_limit_of_the_process_leaves_room_for_threads(self) -> None:
        limits = {"openFiles": 256, "fileSize": 50_000_000, "processes": None, "addressSpace": 512 * 1024 * 1024}
        code = """
import threading
leave = threading.Event()
def work():
    held = [str(n) for n in range(1000)]
    leave.wait()
group = [threading.Thread(target=work) for _ in range(100)]
for thread in group: thread.start()
leave.set()
for thread in group: thread.join()
print(len(group))
"""
        self.assertEqual(run(code, limits=limits).text("O"), "100\n")

    def test_qualified_names(self) -> None:
        result = run(
            "import json\nclass Own(Exception): pass\ntry:\n    json.loads('{')\nexcept ValueError as e:\n    raise Own('x')"
        )
        self.assertEqual(result.message("exception")["type"], "Own")
        self.assertEqual(run("import json; json.loads('{')").message("exception")["type"], "json.decoder.JSONDecodeError")

    def test_an_exception_that_cannot_be_printed(self) -> None:
        code = "class Bad(Exception):\n    def __str__(self): raise RuntimeError\nraise Bad"
        result = run(code)
        self.assertEqual(result.message("exception")["type"], "Bad")
        self.assertEqual(result.ending, (1, None))

    def test_an_exception_that_does_something_where_it_is_asked_is_still_one(self) -> None:
        leave = "raise SystemExit(0)"
        for body in (
            f"def __str__(self): {leave}",
            "exceptions = property(lambda self: (_ for _ in ()).throw(SystemExit(0)))\n    args = errno = exceptions",
            f"def __getattribute__(self, name): {leave}",
            f"def __setattr__(self, name, value): {leave}",
        ):
            with self.subTest(body):
                result = run(f"class Bad(OSError):\n    {body}\nraise Bad('x')")
                self.assertEqual(result.ending, (1, None))
                self.assertEqual(result.message("exception")["type"], "Bad")
                self.assertIn("main.py", result.stderr)
                self.assertNotIn("iso_runner", result.stderr)

    def test_an_exit_that_does_something_where_it_is_asked(self) -> None:
        code = "class Bad(SystemExit):\n    @property\n    def code(self): raise ValueError\nraise Bad('x')"
        result = run(code)
        self.assertEqual((result.ending, result.stderr), ((1, None), "x\n"))

    def test_own_excepthook(self) -> None:
        result = run("import sys\nsys.excepthook = lambda *a: print('mine', a[0].__name__)\nraise KeyError(1)")
        self.assertEqual((result.stdout, result.stderr, result.ending), ("mine KeyError\n", "", (1, None)))

    def test_broken_excepthook_shows_both(self) -> None:
        result = run("import sys\ndef hook(*a): raise TypeError('hook')\nsys.excepthook = hook\nraise KeyError('orig')")
        self.assertIn("Error in sys.excepthook:", result.stderr)
        self.assertIn("TypeError: hook", result.stderr)
        self.assertIn("KeyError: 'orig'", result.stderr)


class Shutdown(unittest.TestCase):
    def test_atexit_threads_and_finalizers_count(self) -> None:
        result = run(
            "import atexit, threading, time\n"
            "atexit.register(print, 'atexit')\n"
            "threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()\n"
            "kept = open('kept.txt', 'w'); kept.write('not closed by hand')\n"
            "print('main')\n"
            "open('later.txt', 'w').write('x')\n"
        )
        self.assertEqual(result.stdout, "main\nthread\natexit\n")
        self.assertEqual(result.ending, (0, None))

    def test_an_open_file_is_written_out(self) -> None:
        code = "import atexit, os, sys\nf = open(os.environ['OUTPUT_DIR'] + '/a', 'w')\nf.write('x' * 10)\n"
        from rig import Rig

        with Rig() as rig:
            rig.send_job(code)
            rig.follow()
            self.assertEqual((rig.folder / "out" / "a").read_text(), "x" * 10)

    def test_atexit_runs_after_an_exception_too(self) -> None:
        result = run("import atexit\natexit.register(print, 'bye')\nraise ValueError")
        self.assertEqual((result.stdout, result.ending), ("bye\n", (1, None)))

    def test_finalizers_still_see_their_globals(self) -> None:
        code = (
            "import os\nNAME = 'global'\n"
            "class Kept:\n    def __del__(self): print('finalized', NAME, os.path.basename('a/b'))\n"
            "kept = Kept()\ncycle = [Kept()]; cycle.append(cycle)\n"
        )
        for end in ("", "raise SystemExit(0)"):
            with self.subTest(end):
                result = run(code + end)
                self.assertEqual((result.stdout, result.ending), ("finalized global b\n" * 2, (0, None)), result.stderr)

    def test_finalizers_after_a_failure(self) -> None:
        result = run("class Kept:\n    def __del__(self): print('finalized')\ndef f():\n    kept = Kept()\n    1 / 0\nf()")
        self.assertEqual((result.stdout, result.ending), ("finalized\n", (1, None)))

    def test_a_callback_at_exit_that_fails(self) -> None:
        result = run("import atexit\natexit.register(print, 'last')\natexit.register(lambda: 1 / 0)\n")
        self.assertEqual((result.stdout, result.ending), ("last\n", (0, None)))
        self.assertIn("ZeroDivisionError", result.stderr)

    def test_what_stands_in_for_modules_and_hooks_does_not_change_the_end(self) -> None:
        code = (
            "import builtins, sys, threading\nclass Odd:\n    def __getattribute__(self, name): raise SystemExit(0)\n"
            "builtins.kept = sys.modules['odd'] = Odd()\nsys.unraisablehook = None\nthreading._shutdown = kept\nsys.exit(4)"
        )
        self.assertEqual(run(code).ending, (4, None))

    def test_buffers_of_the_c_library(self) -> None:
        self.assertEqual(run("import ctypes\nctypes.CDLL(None).printf(b'from C\\n')").stdout, "from C\n")

    def test_daemon_threads_that_compute_do_not_hold_it(self) -> None:
        busy = "import threading\ndef spin():\n    while True: pass\nfor _ in range(3): threading.Thread(target=spin, daemon=True).start()\n"
        result = run(f"{busy}print('x' * 9000, end='')")
        self.assertEqual((result.stdout, result.stderr, result.ending), ("x" * 9000, "", (0, None)))

    def test_stand_ins_that_a_snippet_left(self) -> None:
        left = (
            "import gc, json, os, sys, threading, traceback\n"
            "def no(*_, **__): raise AssertionError('a mock')\n"
            "gc.collect = sys.setswitchinterval = json.dumps = traceback.format_exception = no\n"
        )
        self.assertEqual(run(f"{left}del sys.stdout").ending, (0, None))
        result = run(f"{left}os.write = os.fstat = os.getpid = no\n1 / 0")
        self.assertEqual((result.message("exception")["type"], result.ending), ("ZeroDivisionError", (1, None)))

    def test_a_childs_exception_is_its_own(self) -> None:
        result = run("import os, sys\nif os.fork() == 0: raise OSError(24, 'of the child')\nos.wait()\nsys.exit(1)")
        self.assertEqual((result.messages, result.ending), ([], (1, None)))
        self.assertIn("of the child", result.stderr)

    def test_daemon_threads_do_not_hold_it(self) -> None:
        code = "import threading, time\nthreading.Thread(target=lambda: [time.sleep(0.001) for _ in iter(int, 1)], daemon=True).start()\nprint('end')"
        result = run(code)
        self.assertEqual((result.stdout, result.stderr, result.ending), ("end\n", "", (0, None)))
