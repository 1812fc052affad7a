"""What the launcher asks of the Linux kernel that the os module has no call for. OSError names what was tried."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from fcntl import ioctl
from socket import AF_INET, SOCK_DGRAM, SocketType
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
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1
_LOOPBACK_UP = struct.pack("16sh22x", b"lo", _IFF_UP)  # struct ifreq
_INET, _DATAGRAM = int(AF_INET), int(SOCK_DGRAM)

_CLONE, _PIVOT_ROOT = _NUMBERS.get(platform.machine(), (-1, -1))
_Word = Union[str, bytes, None]

# What a sandbox's first process calls has its types here, as in iso_runner.kernel.
_libc = ctypes.CDLL(None, use_errno=True)
_mount = _libc.mount
_mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
_unmount = _libc.umount2
_unmount.argtypes = [ctypes.c_char_p, ctypes.c_int]
_unshare = _libc.unshare
_unshare.argtypes = [ctypes.c_int]
_set_host_name = _libc.sethostname
_set_host_name.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
_prctl = _libc.prctl
_prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong]
_pivot_root = _libc["syscall"]
_pivot_root.argtypes = [ctypes.c_long, ctypes.c_char_p, ctypes.c_char_p]
_memset = _libc.memset
_memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
_memset.restype = None
_capset = _libc.capset
_no_capabilities = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
# Through PyDLL: the interpreter stays held across a clone, as it is across fork(2) in os.fork.
_clone = ctypes.PyDLL(None, use_errno=True).syscall
_clone.argtypes = [ctypes.c_long, *[ctypes.c_ulong] * 5]


def _check(result: int, what: str) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return result


def mount(source: _Word, target: _Word, kind: _Word, flags: int, data: _Word = None) -> None:
    if _mount(_raw(source), _raw(target), _raw(kind), flags, _raw(data)) < 0:
        _check(-1, f"mount {kind or source!r} on {target!r}")


def _raw(word: _Word) -> Optional[bytes]:
    return word.encode("utf-8", "surrogateescape") if isinstance(word, str) else word


def unmount(target: bytes, flags: int) -> None:
    _check(_unmount(target, flags), "umount")


def open_tree(path: str) -> int:
    """A descriptor of a copy of what is mounted at and below `path`, to be put somewhere by `move_mount`."""
    flags = _OPEN_TREE_CLONE | _AT_RECURSIVE | os.O_CLOEXEC
    arguments = (ctypes.c_long(_OPEN_TREE), ctypes.c_int(_AT_FDCWD), os.fsencode(path), ctypes.c_uint(flags))
    return _check(_libc.syscall(*arguments), f"open_tree {path}")


def move_mount(source: int, target: str) -> None:
    to = (ctypes.c_int(_AT_FDCWD), os.fsencode(target), ctypes.c_uint(_MOVE_MOUNT_F_EMPTY_PATH))
    _check(_libc.syscall(ctypes.c_long(_MOVE_MOUNT), ctypes.c_int(source), b"", *to), f"move_mount to {target}")


def pivot_root(new_root: bytes, put_old: bytes) -> None:
    _check(_pivot_root(_PIVOT_ROOT, new_root, put_old), "pivot_root")


def unshare(flags: int) -> None:
    _check(_unshare(flags), "unshare")


def fork_into(namespaces: int) -> int:
    """As fork(2), with the child in new namespaces at once: 0 in the child. The caller has one thread and no code of others.

    What CPython does around os.fork is left out: it is for other threads, and for modules that hook into it (`random`, `logging`,
    `threading`), and costs the child some two hundred copied pages. The program is forked from the child by os.fork, with all
    of it.
    """
    pid: int = _clone(_CLONE, namespaces | SIGCHLD, 0, 0, 0, 0)
    if pid < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"clone {namespaces:#x}: {os.strerror(error)}")
    return pid


def set_host_name(name: bytes) -> None:
    _check(_set_host_name(name, len(name)), "sethostname")


def raise_loopback() -> None:
    """A new network namespace has a loopback that is down, and has no other flag that could be set."""
    any_socket = SocketType(_INET, _DATAGRAM)
    try:
        ioctl(any_socket.fileno(), _SIOCSIFFLAGS, _LOOPBACK_UP)
    finally:
        any_socket.close()


def drop_capabilities() -> None:
    """All of them, and whatever could bring one back."""
    for capability in range(64):
        if _prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break  # the kernel knows no more
    _check(_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "clear ambient capabilities")
    _check(_capset(*_no_capabilities), "capset")


def never_free(thing: object) -> None:
    """Neither here nor in a fork, though nothing refers to it any more."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def overwrite_memory(start: int, end: int) -> None:
    _memset(start, 0, end - start)


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
