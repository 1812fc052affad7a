"""What the runner asks of the Linux kernel beyond the os module: prctl, descriptors, processes, what cgroups counted."""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
from collections.abc import Callable, Collection
from ctypes import addressof
from os import F_OK, access, close, getpid, kill, read, write
from os import open as open_file
from typing import Any, NoReturn, Optional, Union

# As plain numbers and by the C function: the wrappers of `signal` make enums each time, and this is done for each run.
ALL_SIGNALS = tuple(sorted(int(number) for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP)))
_signal: Any = importlib.import_module("_signal")
set_handler: Callable[[int, Union[int, Callable[..., object], None]], object] = _signal.signal
set_mask: Callable[[int, Collection[int]], object] = _signal.pthread_sigmask

# Plain numbers as well: an enum is made a number by Python code.
SIGKILL, SIGCHLD, SIG_DFL, SIG_IGN = (int(of) for of in (signal.SIGKILL, signal.SIGCHLD, signal.SIG_DFL, signal.SIG_IGN))
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
BPF_INSTRUCTION_BYTES = 8
M_ARENA_MAX = -8
# The number is the same on every machine.
CLOSE_RANGE = 436
MAX_DESCRIPTOR = 2**31 - 1
# Whatever a forked process makes or looks up is pages that it copies. So what it calls is looked up here, once, and knows the
# types of its arguments: they need no object of ctypes each.
_libc = ctypes.CDLL(None, use_errno=True)
_prctl = _libc.prctl
_prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong]
_close_range = _libc["syscall"]
_close_range.argtypes = [ctypes.c_long, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint]
# Through PyDLL: with the interpreter held.
_exit = ctypes.PyDLL(None).exit
_exit.argtypes = [ctypes.c_int]
# Of the kernel's own files the part that is read; they come in one piece.
READ_BYTES = 4096
_CGROUPS = "/sys/fs/cgroup"
_TO_READ, _TO_WRITE = os.O_RDONLY | os.O_CLOEXEC, os.O_WRONLY | os.O_CLOEXEC


def set_signals(action: int, but: Collection[int] = ()) -> None:
    """One action, SIG_IGN or SIG_DFL, for every signal that can have one."""
    for number in ALL_SIGNALS:
        if number not in but:
            set_handler(number, action)


def prctl(option: int, value: int, further: int = 0) -> None:
    if _prctl(option, value, further, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl({option}): {os.strerror(error)}")


class FilterProgram(ctypes.Structure):
    """struct sock_fprog: how many instructions, and where they are."""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def filter_program(instructions: bytes) -> FilterProgram:
    """Of a compiled BPF program."""
    return FilterProgram(len(instructions) // BPF_INSTRUCTION_BYTES, instructions)


def filter_system_calls(program: FilterProgram) -> None:
    """For this process and all it will start, for good: the program judges each call."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, addressof(program))


def limit_malloc_arenas(count: int) -> None:
    """Of this process, where its C library has arenas to limit."""
    mallopt = getattr(_libc, "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, count)


def exit_process(status: int) -> NoReturn:
    """exit(3): the C library's own handlers and buffers, with the interpreter held so that no Python thread runs meanwhile."""
    _exit(status)
    os._exit(status)


def close_all_but(keep: Collection[int]) -> None:
    """Closes every descriptor that is not in `keep`; an engine may hand on some that nobody meant for us."""
    if _close_ranges_but(keep):
        return
    try:
        numbers = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        limit = os.sysconf("SC_OPEN_MAX")
        numbers = list(range(limit if 0 < limit < 65536 else 65536))
    for number in numbers:
        if number not in keep:
            try:
                os.close(number)
            except OSError:
                pass  # the descriptor of the listing itself


def _close_ranges_but(keep: Collection[int]) -> bool:
    """By close_range(2); false where the kernel has none (before 5.9) or a filter refuses it, and then nothing was closed."""
    low = 0
    for high in [*sorted(keep), MAX_DESCRIPTOR + 1]:
        if low < high and _close_range(CLOSE_RANGE, low, high - 1, 0) != 0:
            return False
        low = high + 1
    return True


def kill_everything() -> None:
    """SIGKILL to every process of the sandbox but this one.

    As pid 1 of a pid namespace that is one call. Elsewhere (no sandbox, or an engine with its own init) all descendants
    are ours because we are their subreaper, and they are found by their parents.
    """
    if getpid() == 1:
        _kill(-1)
        return
    for pid in descendants(os.getpid()):
        _kill(pid)


def others() -> list[int]:
    """Every process of the sandbox but this one, zombies too."""
    if os.getpid() == 1:
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]
    return descendants(os.getpid())


def _kill(pid: int) -> None:
    try:
        kill(pid, SIGKILL)
    except OSError:
        pass


def descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            parent = _parent_of(int(name))
            if parent is not None:
                children.setdefault(parent, []).append(int(name))
    found: list[int] = []
    queue = [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def _parent_of(pid: int) -> Optional[int]:
    try:
        # The command name is in brackets and may hold anything, brackets and spaces too.
        return int(read_file(f"/proc/{pid}/stat").rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None


def last_pid() -> Optional[int]:
    """The number last given to a task of this pid namespace, threads included; None where the namespace is not ours."""
    if os.getpid() != 1:
        return None
    try:
        return int(read_file("/proc/loadavg").split()[4])
    except (OSError, IndexError, ValueError):
        return None


def read_file(path: str) -> bytes:
    """A small file of the kernel's. By descriptor: a file object of text looks for its codec, and each object made in a fork is
    pages that are copied."""
    fd = open_file(path, _TO_READ)
    try:
        return read(fd, READ_BYTES)
    finally:
        close(fd)


def write_file(path: str, text: str) -> None:
    """Likewise; the file must be there."""
    fd = open_file(path, _TO_WRITE)
    try:
        write(fd, text.encode())
    finally:
        close(fd)


def own_cgroup() -> Optional[str]:
    try:
        return read_file("/proc/self/cgroup").decode("utf-8", "replace") or None
    except OSError:
        return None


def oom_kills() -> Optional[int]:
    """Processes the kernel killed for the memory limit, where the sandbox's own cgroup is mounted."""
    return _count("/sys/fs/cgroup/memory.events", b"oom_kill", "/sys/fs/cgroup/memory/memory.oom_control", b"oom_kill")


def process_hits() -> Optional[int]:
    """Forks refused for the process limit, likewise."""
    return _count("/sys/fs/cgroup/pids.events", b"max", "/sys/fs/cgroup/pids/pids.events", b"max")


def _count(v2_path: str, v2_key: bytes, v1_path: str, v1_key: bytes) -> Optional[int]:
    if not access(_CGROUPS, F_OK):
        return None  # the rule on the zygote; to try each would be an error object each
    for path, key in ((v2_path, v2_key), (v1_path, v1_key)):
        try:
            for line in read_file(path).splitlines():
                words = line.split()
                if len(words) == 2 and words[0] == key:
                    return int(words[1])
        except (OSError, ValueError):
            continue
    return None
