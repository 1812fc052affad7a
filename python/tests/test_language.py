"""The snippet meets an ordinary `python main.py`, with top-level await on top."""

import base64
import json
import unittest

from rig import RUNNER, run


class MainModule(unittest.TestCase):
    def test_identity(self) -> None:
        result = run(
            "import sys, os, json\n"
            "print(json.dumps([__name__, __file__, sys.argv, os.getcwd(), sys.modules['__main__'].__dict__ is globals()]))",
            args=["a", "b c"],
        )
        main = f"{result.work}/main.py"
        self.assertEqual(json.loads(result.stdout), ["__main__", main, [main, "a", "b c"], str(result.work), True])

    def test_path_has_no_folder_of_ours_or_the_runs(self) -> None:
        result = run("import sys, site\nprint('\\n'.join(sys.path))\nprint('site', site.ENABLE_USER_SITE)")
        lines = result.stdout.splitlines()
        self.assertNotIn("", lines)
        for folder in (str(RUNNER), str(RUNNER.parent), str(result.work)):
            self.assertNotIn(folder, lines)
        self.assertEqual(lines[-1], "site False")

    def test_environment_is_exact(self) -> None:
        result = run("import os, json\nprint(json.dumps(dict(os.environ)))", env={"MINE": "1", "OMP_NUM_THREADS": "2"})
        environment = json.loads(result.stdout)
        self.assertEqual(environment.pop("PATH").split(":")[-1], "/bin")
        self.assertEqual(environment.pop("WORKDIR"), str(result.work))
        self.assertEqual(environment.pop("OUTPUT_DIR"), str(result.work.parent / "out"))
        self.assertEqual(
            environment,
            {
                "HOME": "/tmp",
                "LANG": "C.UTF-8",
                "LC_ALL": "C.UTF-8",
                "RUN_ID": "run-1",
                "TURN_ID": "turn-1",
                "USER_ID": "user-1",
                "OMP_NUM_THREADS": "2",
                "OPENBLAS_NUM_THREADS": "1",
                "MKL_NUM_THREADS": "1",
                "MINE": "1",
            },
        )

    def test_children_get_that_environment(self) -> None:
        result = run("import subprocess\nprint(subprocess.run(['env'], capture_output=True, text=True).stdout)")
        self.assertIn("RUN_ID=run-1", result.stdout)
        self.assertNotIn("HOST_SECRET", result.stdout)

    def test_stdin(self) -> None:
        self.assertEqual(run("import sys\nprint(repr(sys.stdin.read()))").stdout, "''\n")
        given = base64.b64encode("zwei\nZeilen ✓".encode()).decode()
        self.assertEqual(run("print(input()); print(input())", stdin=given).stdout, "zwei\nZeilen ✓\n")

    def test_text_that_utf8_cannot_hold(self) -> None:
        self.assertEqual(run("print('\\ud800 ✓')").stdout, "\\ud800 ✓\n")

    def test_signals_are_as_in_a_fresh_python(self) -> None:
        result = run(
            "import signal, sys\n"
            "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, signal.getsignal(signal.SIGPIPE).name,\n"
            "      signal.getsignal(signal.SIGHUP).name, signal.getsignal(signal.SIGCHLD).name, signal.pthread_sigmask(0, []))"
        )
        self.assertEqual(result.stdout, "True SIG_IGN SIG_DFL SIG_DFL set()\n")

    def test_limits(self) -> None:
        result = run(
            "import resource as r\n"
            "print(r.getrlimit(r.RLIMIT_NOFILE), r.getrlimit(r.RLIMIT_FSIZE), r.getrlimit(r.RLIMIT_CORE), r.getrlimit(r.RLIMIT_NPROC)[0])",
            limits={"openFiles": 64, "fileSize": 1000, "processes": 50, "addressSpace": None},
        )
        self.assertEqual(result.stdout, "(64, 72) (1000, 1000) (0, 0) 51\n")

    def test_output_order_and_begin(self) -> None:
        result = run("print('x')")
        self.assertEqual(result.kinds, "HBOX")

    def test_docker_style_channel(self) -> None:
        result = run("import sys\nprint('hi', sys.stdin.read() == '')\nprint(await local_tools.echo('x'))", docker=True)
        self.assertEqual(result.stdout.splitlines()[0], "hi True")
        self.assertEqual(result.ending, (0, None))

    def test_setup_that_fails_is_ours(self) -> None:
        result = run("print(1)", cwd="/nowhere")
        self.assertEqual([problem["stage"] for problem in result.problems], ["program_setup"])
        self.assertNotIn("B", result.kinds)
        self.assertIn("X", result.kinds)


class Loops(unittest.TestCase):
    def test_top_level_await(self) -> None:
        code = (
            "import asyncio\nasync def f(x):\n    await asyncio.sleep(0)\n    return x\nprint(await asyncio.gather(f(1), f(2)))"
        )
        self.assertEqual(run(code).stdout, "[1, 2]\n")

    def test_without_await_the_loop_is_free(self) -> None:
        self.assertEqual(run("import asyncio\nasync def f(): return 5\nprint(asyncio.run(f()))").stdout, "5\n")

    def test_a_coroutine_never_awaited_is_warned_of_with_its_line(self) -> None:
        result = run("async def f(): pass\n\nforgotten = f()")
        self.assertIn("RuntimeWarning: coroutine 'f' was never awaited\n", result.stderr)
        self.assertIn('main.py", line 3, in <module>\n    forgotten = f()\n', result.stderr)

    def test_async_comprehension_and_with(self) -> None:
        code = (
            "import asyncio\nasync def gen():\n    yield 1\n    yield 2\n"
            "print([x async for x in gen()])\nasync with asyncio.Lock():\n    print('held')\n"
        )
        self.assertEqual(run(code).stdout, "[1, 2]\nheld\n")


class Processes(unittest.TestCase):
    def test_subprocess_with_the_same_interpreter(self) -> None:
        code = "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', 'print(6 * 7)'], capture_output=True, text=True).stdout, end='')"
        self.assertEqual(run(code).stdout, "42\n")

    def test_multiprocessing(self) -> None:
        for method in ("fork", "spawn"):
            with self.subTest(method):
                code = (
                    "import multiprocessing as m\ndef square(x): return x * x\n"
                    "if __name__ == '__main__':\n"
                    f"    with m.get_context('{method}').Pool(2) as pool: print(pool.map(square, [1, 2, 3]))\n"
                )
                result = run(code)
                self.assertEqual((result.stdout, result.ending), ("[1, 4, 9]\n", (0, None)), result.stderr)

    def test_process_pool_executor(self) -> None:
        code = (
            "from concurrent.futures import ProcessPoolExecutor\n"
            "if __name__ == '__main__':\n    with ProcessPoolExecutor(2) as pool: print(list(pool.map(abs, [-1, -2])))\n"
        )
        self.assertEqual(run(code).stdout, "[1, 2]\n")

    def test_a_forked_child_ends_for_itself(self) -> None:
        code = "import os\npid = os.fork()\nif pid == 0:\n    print('child'); raise SystemExit(7)\nprint(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
        result = run(code)
        self.assertEqual((result.stdout, result.ending), ("child\n7\n", (0, None)))


class UserLogger(unittest.TestCase):
    def test_lines(self) -> None:
        result = run("import logging\nlog = logging.getLogger('user')\nlog.info('one')\nlog.debug('two ✓')\nlog.error('%s', 3)")
        lines = [line.split(" ", 1) for line in result.log.splitlines()]
        self.assertEqual([text for _, text in lines], ["INFO user: one", "DEBUG user: two ✓", "ERROR user: 3"])
        for time, _ in lines:
            self.assertRegex(time, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$")
        self.assertEqual((result.stdout, result.stderr), ("", ""))

    def test_basic_config_does_not_repeat_it(self) -> None:
        result = run("import logging\nlogging.basicConfig(level=0)\nlogging.getLogger('user').info('one')\nlogging.info('root')")
        self.assertIn("root", result.stderr)
        self.assertNotIn("one", result.stderr)
