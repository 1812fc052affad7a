"""How a supervisor begins: its descriptors, out of reach of what it will fork, and what the program shall find loaded."""

from __future__ import annotations

import gc
import importlib
import os
import select

from . import kernel

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


def control_descriptors(arguments: list[str]) -> tuple[int, int]:
    if arguments[:1] == ["--fd"] and len(arguments) == 2:
        fd = int(arguments[1])
        os.set_inheritable(fd, False)
        return fd, fd
    if arguments:
        raise SystemExit(f"usage: iso_runner [--fd N], not {arguments!r}")
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
    for name in PRELOAD:
        if select.select([control_in], [], [], 0)[0]:
            break
        importlib.import_module(name)
    import iso_runner.program  # noqa: F401 - the child must not need the package's folder

    gc.collect()
    gc.freeze()
