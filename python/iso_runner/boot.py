"""How a supervisor begins: its descriptors, out of reach of what it will fork, and what the program shall find loaded."""

from __future__ import annotations

import base64
import ctypes
import gc
import importlib
import importlib.util
import os
import select
from typing import NamedTuple, Optional

from . import kernel, shutdown

# Imported while nobody waits: the program is forked from here and finds them loaded.
PRELOAD = (
    "ctypes",
    "iso_runner.program",
    "logging",
    "asyncio",
    "multiprocessing",
    "subprocess",
    "datetime",
    "pathlib",
    "random",
    "tempfile",
)
_OPENSSL_INIT_NO_ATEXIT = 0x80000


class Options(NamedTuple):
    fd: Optional[int]
    # System calls the program is refused, as a compiled filter; None where the engine that made the sandbox did it.
    filter: Optional[bytes]


def read_options(arguments: list[str]) -> Options:
    given = dict(zip(arguments[::2], arguments[1::2]))
    if len(given) * 2 != len(arguments) or not given.keys() <= {"--fd", "--filter"}:
        raise SystemExit(f"usage: iso_runner [--fd N] [--filter BASE64], not {arguments!r}")
    fd, encoded = given.get("--fd"), given.get("--filter")
    return Options(None if fd is None else int(fd), None if encoded is None else base64.b64decode(encoded, validate=True))


def control_descriptors(fd: Optional[int]) -> tuple[int, int]:
    if fd is not None:
        os.set_inheritable(fd, False)
        return fd, fd
    control_in, control_out = os.dup(0), os.dup(1)  # dup makes them close-on-exec
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    return control_in, control_out


def prepare(control_in: int) -> None:
    """Once the host has spoken nothing more is imported: a job is there, or a stop."""
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)  # closes /proc/<us>/mem and fd to a program of the same uid
    if os.getpid() != 1:
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    if shutdown.are_modules_noted():
        return  # it was forked from a process that had loaded all
    if not _has_spoken(control_in):
        leave_openssl_whole()
    for name in PRELOAD:
        if _has_spoken(control_in):
            break
        importlib.import_module(name)
    import iso_runner.program  # the child must not need the package's folder

    iso_runner.program.prepare()
    shutdown.note_modules()

    gc.collect()
    gc.freeze()


def _has_spoken(control_in: int) -> bool:
    return bool(select.select([control_in], [], [], 0)[0])


def leave_openssl_whole() -> None:
    """Before anything loads it: OpenSSL takes itself to pieces at exit, which copies a page for nearly every piece. The kernel
    frees all at once."""
    spec = importlib.util.find_spec("_hashlib")
    if spec is None or spec.origin is None:
        return
    try:
        # Of the very library that it is linked to. The first to initialise it decides.
        ctypes.CDLL(spec.origin).OPENSSL_init_crypto(ctypes.c_uint64(_OPENSSL_INIT_NO_ATEXIT), None)
    except (OSError, AttributeError):
        pass  # built into the interpreter, or another library in its place
