"""How a supervisor begins: its descriptors, out of reach of what it will fork, and what the program shall find loaded."""

from __future__ import annotations

import base64
import gc
import importlib
import os
import select
from os import getpid
from typing import NamedTuple, Optional

from .kernel import PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE, prctl
from .library import PRELOAD, leave_openssl_whole
from .shutdown import are_modules_noted, note_modules


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
    prctl(PR_SET_DUMPABLE, 0)  # closes /proc/<us>/mem and fd to a program of the same uid
    if getpid() != 1:
        prctl(PR_SET_CHILD_SUBREAPER, 1)
    if are_modules_noted():
        return  # it was forked from a process that had loaded all
    if not _has_spoken(control_in):
        leave_openssl_whole()
    for name in (*PRELOAD, "iso_runner.program"):
        if _has_spoken(control_in):
            break
        importlib.import_module(name)
    import iso_runner.program  # the child must not need the package's folder

    iso_runner.program.prepare()
    note_modules()

    gc.collect()
    gc.freeze()


def _has_spoken(control_in: int) -> bool:
    return bool(select.select([control_in], [], [], 0)[0])
