"""The program: the forked child becomes a fresh Python process for one snippet and runs it as `__main__`."""

from __future__ import annotations

import base64
import builtins
import io
import json
import linecache
import os
import signal
import sys
import threading
from collections.abc import Mapping
from faulthandler import enable
from os import O_RDONLY, chdir, close, dup2, environ, setsid
from os import open as open_file
from resource import (
    RLIM_INFINITY,
    RLIMIT_AS,
    RLIMIT_CORE,
    RLIMIT_FSIZE,
    RLIMIT_NOFILE,
    RLIMIT_NPROC,
    getrlimit,
    setrlimit,
)
from sys import set_coroutine_origin_tracking_depth
from types import ModuleType
from typing import Any, NoReturn, Optional

from . import capture, failure, kernel, shutdown, tools
from .capture import flush_on_sigterm, open_user_logger
from .channel import ProgramChannel
from .kernel import PR_SET_PDEATHSIG, SIG_DFL, SIGKILL, prctl, set_handler, set_mask, set_signals, write_file
from .launch import TRACE_SIGNAL, Launch
from .stand import tell_on_signal

_TOP_LEVEL_AWAIT = 0x2000  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_CO_COROUTINE = 0x80
# Descriptors beyond the program's own limit, so that one that ran out of them can still say so.
_SPARE_DESCRIPTORS = 8
# What threads reserve and mostly never touch, kept small where address space is what is limited: malloc's arenas are 64 MiB each,
# and a stack is 8 MiB.
_MALLOC_ARENAS = 2
_STACK_BYTES = 2 * 1024 * 1024
# The two CPython ignores (writing fails with EPIPE and EFBIG instead), and its Ctrl-C.
_OF_CPYTHON: Mapping[int, Any] = {
    int(signal.SIGPIPE): int(signal.SIG_IGN),
    int(signal.SIGXFSZ): int(signal.SIG_IGN),
    int(signal.SIGINT): signal.default_int_handler,
}
# What json.loads does after asking what it was given, for which it takes twelve pages.
_decode = json.JSONDecoder().raw_decode
_SIG_SETMASK = int(signal.SIG_SETMASK)
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def prepare() -> None:
    """Once, in the process that programs are forked from, and in each of them no more. That process has no use for its own
    environment and writes nothing to its streams."""
    _replace_environment()
    capture.prepare()


def run_program(launch: Launch) -> NoReturn:
    """Becomes the program and ends as CPython ends a script: with an exit status, or by a signal."""
    *_, descriptor, _ = launch
    channel = ProgramChannel(descriptor)
    try:
        _become_program(launch)
        job = _wait_for_job(channel)
        main_path = job["work"] + "/main.py"
        _enter(job, channel)
        sys.argv = [main_path, *job["args"]]
        if hasattr(sys, "orig_argv"):
            sys.orig_argv = [sys.executable, *sys.argv]
        code: str = job["code"]
        prime_linecache(main_path, code)
        broker = tools.install(_new_main(main_path), job["tools"], channel, main_path)
    except Exception as error:  # noqa: BLE001 - ours, and never to be taken for the program's
        channel.send(b"P", {"stage": "program_setup", "message": f"{type(error).__name__}: {error}"[:2000]})
        os._exit(1)
    channel.begin()
    status, interrupted = _run(code, main_path, channel)
    broker.warn_unstarted()
    shutdown.leave(status, interrupted)


def _run(code: str, main_path: str, channel: ProgramChannel) -> tuple[int, bool]:
    """The exit status, and whether an interrupt ended it. No frame or exception of the snippet outlives this call."""
    try:
        _execute(code, main_path)
    except SystemExit as error:
        failure.trim(error, main_path)  # a task that ended by it is told of later
        return shutdown.exit_status(error), False
    except BaseException as error:  # noqa: BLE001 - every way a snippet can fail
        try:
            _fail(error, code, main_path, channel)
        except SystemExit as second:  # an excepthook of the snippet's own may leave that way
            return shutdown.exit_status(second), False
        except BaseException:  # noqa: BLE001 - the snippet replaced what the telling needs; its end stays what it is
            pass
        # As CPython: a class derived from it is an exception like any other.
        return 1, type(error) is KeyboardInterrupt
    return 0, False


def _become_program(launch: Launch) -> None:
    """All that can be done while no job is known."""
    stdout, stderr, log, trace, _, system_call_filter = launch
    setsid()
    prctl(PR_SET_PDEATHSIG, SIGKILL)
    _default_signals()
    _renew_randomness()
    _prefer_for_oom()
    if system_call_filter is not None:
        kernel.filter_system_calls(kernel.filter_program(system_call_filter))
    for number, target in ((stdout, 1), (stderr, 2)):
        dup2(number, target)
        close(number)
    open_user_logger(log)
    flush_on_sigterm()
    enable(file=2, all_threads=True)
    # A coroutine that is never awaited is warned of with the line that made it, as a tool call is.
    set_coroutine_origin_tracking_depth(1)
    tell_on_signal(TRACE_SIGNAL, trace)


def _wait_for_job(channel: ProgramChannel) -> dict[str, Any]:
    frame = channel.receive()
    if frame is None:
        os._exit(0)  # the sandbox was never used
    _, payload = frame
    return read_job(payload)


def read_job(payload: bytes) -> dict[str, Any]:
    job: dict[str, Any] = _decode(payload.decode())[0]
    return job


def _enter(job: Mapping[str, Any], channel: ProgramChannel) -> None:
    _open_stdin(job["stdin"])
    complete_environment(job)
    chdir(job["cwd"])
    _limit(job["limits"], channel)


def _default_signals() -> None:
    set_mask(_SIG_SETMASK, ())
    set_signals(SIG_DFL, but=_OF_CPYTHON)
    for number, action in _OF_CPYTHON.items():
        set_handler(number, action)


def _renew_randomness() -> None:
    """Of what was loaded ahead and keeps its state in a fork. CPython seeds `random` itself; all else asks the kernel."""
    numpy_random: Any = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
    tempfile: Any = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile._name_sequence = None


def _prefer_for_oom() -> None:
    """Asks the kernel to take the program and not its supervisor when memory runs out."""
    try:
        write_file("/proc/self/oom_score_adj", "1000")
    except OSError:
        pass


def _open_stdin(stdin: Optional[str]) -> None:
    if stdin is None:
        source = open_file("/dev/null", O_RDONLY)
    else:
        source = os.memfd_create("stdin")
        view = memoryview(base64.b64decode(stdin))
        while view:
            view = view[os.write(source, view) :]
        os.lseek(source, 0, os.SEEK_SET)
    dup2(source, 0)
    close(source)


def _replace_environment() -> None:
    """The environment is what is named here and what the request adds; nothing of the host's."""
    os.environ.clear()
    os.environ.update({name: "1" for name in _ONE_THREAD})
    os.environ.update({"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": "/tmp", "PATH": _search_path()})


def complete_environment(job: Mapping[str, Any]) -> None:
    for name, value in job["env"].items():
        environ[name] = value
    if "PATH" in job["env"]:
        environ["PATH"] = _search_path()
    environ["OUTPUT_DIR"] = job["out"]
    environ["WORKDIR"] = job["work"]
    environ["RUN_ID"] = job["runId"]
    environ["TURN_ID"] = job["turnId"]
    environ["USER_ID"] = job["userId"]


def _search_path() -> str:
    folders = [os.path.dirname(sys.executable), "/usr/local/bin", "/usr/bin", "/bin"]
    return ":".join(dict.fromkeys(folder for folder in folders if folder))


def _limit(limits: Mapping[str, Optional[int]], channel: ProgramChannel) -> None:
    _limit_descriptors(limits["openFiles"] or 1024, channel)
    if limits["addressSpace"] is not None:
        threading.stack_size(_STACK_BYTES)
        kernel.limit_malloc_arenas(_MALLOC_ARENAS)
        os.environ.setdefault("MALLOC_ARENA_MAX", str(_MALLOC_ARENAS))  # of other programs it starts
    processes = limits["processes"]
    wanted = (
        (RLIMIT_FSIZE, limits["fileSize"]),
        # The supervisor is one more of the same user.
        (RLIMIT_NPROC, None if processes is None else processes + 1),
        (RLIMIT_AS, limits["addressSpace"]),
        (RLIMIT_CORE, 0),
    )
    for kind, value in wanted:
        if value is not None:
            _, hard = getrlimit(kind)
            bound = value if hard == RLIM_INFINITY else min(value, hard)
            setrlimit(kind, (bound, bound))


def _limit_descriptors(wanted: int, channel: ProgramChannel) -> None:
    _, hard = getrlimit(RLIMIT_NOFILE)
    ceiling = wanted + _SPARE_DESCRIPTORS
    ceiling = ceiling if hard == RLIM_INFINITY else min(ceiling, hard)
    setrlimit(RLIMIT_NOFILE, (ceiling, ceiling))
    # Programs close all that they may have open, as daemons do, and mean no harm by it.
    channel.move_beyond(min(wanted, ceiling - 1))
    setrlimit(RLIMIT_NOFILE, (min(wanted, ceiling), ceiling))


def _use_spare_descriptors() -> None:
    _, hard = getrlimit(RLIMIT_NOFILE)
    setrlimit(RLIMIT_NOFILE, (hard, hard))


def _new_main(main_path: str) -> dict[str, Any]:
    """Globals of a fresh `__main__`, which sys.modules alone holds."""
    module = ModuleType("__main__")
    sys.modules["__main__"] = module
    module.__dict__.update({"__file__": main_path, "__builtins__": builtins, "__cached__": None})
    return module.__dict__


def prime_linecache(main_path: str, code: str) -> None:
    """Tracebacks show the snippet's own lines, whatever it does to its file. No mtime: never checked against the disk."""
    # The lines that the compiler counts: str.splitlines splits at form feeds and U+2028 too. Carets need an end on the last one.
    lines = io.StringIO(_without_bom(code), newline=None).readlines()
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    linecache.cache[main_path] = (len(code), None, lines, main_path)


def _execute(code: str, main_path: str) -> None:
    compiled = compile(_without_bom(code), main_path, "exec", _TOP_LEVEL_AWAIT, dont_inherit=True)
    result = eval(compiled, sys.modules["__main__"].__dict__)
    if compiled.co_flags & _CO_COROUTINE:
        import asyncio

        asyncio.run(result)


def _without_bom(code: str) -> str:
    return code[1:] if code.startswith("\ufeff") else code


def _fail(error: BaseException, code: str, main_path: str, channel: ProgramChannel) -> None:
    _use_spare_descriptors()
    failure.trim(error, main_path)
    prime_linecache(main_path, code)
    text = failure.format_error(error)
    # A child's failure is its own: the program may go on, and end otherwise.
    if channel.is_ours():
        try:
            channel.send(b"C", failure.describe(error, text))
        except OSError:
            pass  # the snippet closed its channel; the exit status still tells the truth
    failure.print_error(error, text)
