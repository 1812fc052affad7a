"""Ends the program as CPython ends a script, less the tearing down of modules that were loaded before it began.

That teardown is two thirds of the time a short run takes, and nobody can see it: what the snippet made is in its own modules.
Kept, in CPython's order: threads are awaited, atexit, finalizers with their globals intact, flushed streams, the exit status.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import threading
import types
import weakref
from typing import Any, NoReturn

from . import kernel

FLUSH_FAILED = 120
# CPython's own. What a daemon thread computes beside the end is given up after this, whatever the snippet set.
_SWITCH_INTERVAL_S = 0.005

# Taken while nobody can have replaced them: a stand-in that a snippet left in their place must not change its ending.
_set_switch_interval = sys.setswitchinterval
_run_exit_functions = atexit._run_exitfuncs
_collect = gc.collect

# Names, and the last of them in the order they came.
_preloaded: frozenset[str] = frozenset()
_last_preloaded = ""


def exit_status(error: SystemExit) -> int:
    """What `sys.exit(...)` means as a status; text is said on stderr."""
    try:
        code: object = error.code
    except BaseException:  # noqa: BLE001 - a property of the snippet's own; CPython prints the exception then
        code = error
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF if -(2**63) <= code < 2**63 else 0xFF
    try:
        sys.stderr.write(f"{code}\n")
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - a stream the snippet closed or replaced, or an object that cannot be printed
        pass
    return 1


def note_modules() -> None:
    """Once, when all is loaded that a program shall find loaded: those are not torn down."""
    global _preloaded, _last_preloaded
    if not _preloaded:
        _preloaded = frozenset(sys.modules) - {"__main__"}
        _last_preloaded = next(reversed(sys.modules))


def are_modules_noted() -> bool:
    return bool(_preloaded)


def leave(status: int, interrupted: bool) -> NoReturn:
    """`interrupted` ends by SIGINT as CPython does."""
    _await_threads()
    try:
        _run_exit_functions()
    except BaseException:  # noqa: BLE001 - Python 3.9 raises the last one after printing all
        pass
    # Each write below lets a daemon thread in, and it must be asked for the interpreter back.
    _set_switch_interval(_SWITCH_INTERVAL_S)
    # What such a thread meets from here on, its globals gone, is our doing: CPython would have stopped it.
    threading.excepthook = lambda *_: None
    flushed = _flush()
    try:
        _drop_modules()
    except BaseException:  # noqa: BLE001 - a module of the snippet's own that acts where it is asked
        pass
    if not (_flush() and flushed) and status == 0:
        status = FLUSH_FAILED
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        # It is still here: the signal is blocked.
        status = 128 + signal.SIGINT
    kernel.exit_process(status)


def _await_threads() -> None:
    shutdown: Any = getattr(threading, "_shutdown", None)
    try:
        if shutdown is not None:
            shutdown()
    except BaseException as error:  # noqa: BLE001 - as CPython: said, and the end goes on
        _say_unraisable(_Unraisable(error))


def _say_unraisable(what: _Unraisable) -> None:
    try:
        hook: Any = sys.unraisablehook
        hook(what)
    except BaseException:  # noqa: BLE001 - a hook of the snippet's own
        pass


class _Unraisable:
    """What sys.unraisablehook takes; its own type cannot be made from Python."""

    def __init__(self, error: BaseException) -> None:
        self.exc_type = type(error)
        self.exc_value = error
        self.exc_traceback = error.__traceback__
        self.err_msg = "Exception ignored in threading shutdown"
        self.object = None


def new_modules() -> list[str]:
    """In the order they came. From the end, up to where the preloaded ones begin: to touch those costs a page of memory each."""
    names = []
    for name in reversed(sys.modules):
        if name == _last_preloaded:
            break
        if name not in _preloaded:
            names.append(name)
    return ["__main__", *reversed([name for name in names if name != "__main__"])]


def _drop_modules() -> None:
    """Lets go of the snippet's modules, so that its objects are finalized: open files are written out here."""
    left = []
    for name in new_modules():
        module = sys.modules.pop(name, None)
        try:
            left.append(weakref.ref(module))
        except TypeError:
            pass
        del module
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        if hasattr(sys, name):
            delattr(sys, name)
    _collect()
    # What something else still holds, by name: single underscores first, as CPython does.
    for reference in reversed(left):
        survivor = reference()
        if issubclass(type(survivor), types.ModuleType):
            _clear(vars(survivor))
    _collect()


def _clear(namespace: dict[str, Any]) -> None:
    for private in (True, False):
        for name in list(namespace):
            if name != "__builtins__" and (name.startswith("_") and not name.startswith("__")) == private:
                namespace[name] = None


def _flush() -> bool:
    done = True
    for name in ("stdout", "stderr"):
        stream: Any = getattr(sys, name, None)
        try:
            if stream is not None and not getattr(stream, "closed", False):
                stream.flush()
        except BaseException as error:  # noqa: BLE001 - CPython tells of stdout only, and not where it cannot
            if name == "stdout":
                done = False
                _say_ignored(stream, error)
    return done


def _say_ignored(stream: object, error: BaseException) -> None:
    try:
        sys.stderr.write(f"Exception ignored in: {stream!r}\n{type(error).__name__}: {error}\n")
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001
        pass
