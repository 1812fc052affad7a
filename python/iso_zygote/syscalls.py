"""What the launcher asks of the Linux kernel that the os module has no call for. OSError names what was tried."""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import socket
import struct
from typing import Optional, Union

from iso_runner.kernel import read_file, write_file

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

PR_CAPBSET_DROP = 24
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
CAPABILITY_VERSION_3 = 0x20080522
SIGCHLD = 17

# By machine: clone, pivot_root.
_NUMBERS = {"x86_64": (56, 155), "aarch64": (220, 41)}
# The same on every machine.
_OPEN_TREE, _MOVE_MOUNT = 428, 429
_OPEN_TREE_CLONE = 1
_AT_RECURSIVE = 0x8000
_AT_FDCWD = -100
_MOVE_MOUNT_F_EMPTY_PATH = 4
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1

_libc = ctypes.CDLL(None, use_errno=True)
# Through PyDLL: the interpreter stays held across a clone, as it is across fork(2) in os.fork.
_held = ctypes.PyDLL(None, use_errno=True)
_CLONE, _PIVOT_ROOT = _NUMBERS.get(platform.machine(), (-1, -1))
_Word = Union[str, bytes, None]


def _check(result: int, what: str) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return result


def mount(source: _Word, target: _Word, kind: _Word, flags: int, data: _Word = None) -> None:
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind, data)]
    result = _libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3])
    if result < 0:
        _check(result, f"mount {kind or source!r} on {target!r}")


def unmount(target: str, flags: int) -> None:
    _check(_libc.umount2(os.fsencode(target), flags), f"umount {target}")


def open_tree(path: str) -> int:
    """A descriptor of a copy of what is mounted at and below `path`, to be put somewhere by `move_mount`."""
    flags = _OPEN_TREE_CLONE | _AT_RECURSIVE | os.O_CLOEXEC
    arguments = (ctypes.c_long(_OPEN_TREE), ctypes.c_int(_AT_FDCWD), os.fsencode(path), ctypes.c_uint(flags))
    return _check(_libc.syscall(*arguments), f"open_tree {path}")


def move_mount(source: int, target: str) -> None:
    to = (ctypes.c_int(_AT_FDCWD), os.fsencode(target), ctypes.c_uint(_MOVE_MOUNT_F_EMPTY_PATH))
    _check(_libc.syscall(ctypes.c_long(_MOVE_MOUNT), ctypes.c_int(source), b"", *to), f"move_mount to {target}")


def pivot_root(new_root: bytes, put_old: bytes) -> None:
    _check(_libc.syscall(ctypes.c_long(_PIVOT_ROOT), new_root, put_old), "pivot_root")


def unshare(flags: int) -> None:
    _check(_libc.unshare(ctypes.c_int(flags)), f"unshare {flags:#x}")


def fork_into(namespaces: int) -> int:
    """As fork(2), with the child in new namespaces at once: 0 in the child. The caller has one thread and no code of others.

    What CPython does around os.fork is left out: it is for other threads, and for modules that hook into it (`random`, `logging`,
    `threading`), and costs the child some two hundred copied pages. The program is forked from the child by os.fork, with all
    of it.
    """
    zero = ctypes.c_ulong(0)
    pid = int(_held.syscall(ctypes.c_long(_CLONE), ctypes.c_ulong(namespaces | SIGCHLD), zero, zero, zero, zero))
    if pid < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"clone {namespaces:#x}: {os.strerror(error)}")
    return pid


def set_host_name(name: str) -> None:
    raw = name.encode()
    _check(_libc.sethostname(raw, ctypes.c_size_t(len(raw))), "sethostname")


def raise_loopback() -> None:
    """A new network namespace has a loopback that is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack("16sh22x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))


def drop_capabilities() -> None:
    """All of them, and whatever could bring one back."""
    for capability in range(64):
        if prctl(PR_CAPBSET_DROP, capability) < 0:
            break  # the kernel knows no more
    _check(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL), "clear ambient capabilities")
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _check(_libc.capset(header, nothing), "capset")


def prctl(option: int, value: int) -> int:
    zero = ctypes.c_ulong(0)
    return int(_libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero))


def never_free(thing: object) -> None:
    """Neither here nor in a fork, though nothing refers to it any more."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def overwrite_memory(start: int, end: int) -> None:
    ctypes.memset(ctypes.c_void_p(start), 0, end - start)


def map_ids(who: str, inside: int, uid: int, gid: int) -> None:
    """One id of each kind, for "self" or a pid. Who maps itself gives up changing groups first."""
    if who == "self":
        write_file(f"/proc/{who}/setgroups", "deny")
    write_file(f"/proc/{who}/uid_map", f"{inside} {uid} 1")
    write_file(f"/proc/{who}/gid_map", f"{inside} {gid} 1")


def argument_memory() -> Optional[tuple[int, int, int, int]]:
    """Where this process's arguments and environment lie: start and end of each; None where the kernel does not tell."""
    fields = read_file("/proc/self/stat").rpartition(b")")[2].split()
    arguments, argument_end, environment, environment_end = (int(field) for field in fields[45:49])
    return (arguments, argument_end, environment, environment_end) if arguments and environment else None
