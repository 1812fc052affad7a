"""The root of a sandbox: a template made once by the launcher, and what each sandbox mounts on its own copy of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from os import chdir
from typing import NamedTuple, Optional

from iso_runner.kernel import write_file

from . import syscalls as sys_
from .plan import Entry
from .syscalls import MNT_DETACH, mount, pivot_root, unmount

# A file system of the launcher's own mount namespace, over a folder that every host has. What lies below is opened before.
_SHOP = "/tmp"
TEMPLATE = f"{_SHOP}/root"
_SLOTS = f"{_SHOP}/slots"
# With the name of the sandbox's own folder.
_SLOT = f"{_SLOTS}/%b".encode()
_LATER = f"{_SHOP}/later"
_MAX_NAMESPACES = f"{TEMPLATE}/proc/sys/user/max_user_namespaces"
_QUIET = sys_.MS_NOSUID | sys_.MS_NODEV
_KEPT = (
    (os.ST_NOSUID, sys_.MS_NOSUID),
    (os.ST_NODEV, sys_.MS_NODEV),
    (os.ST_NOEXEC, sys_.MS_NOEXEC),
    (1024, 1024),  # ST_NOATIME
    (2048, 2048),  # ST_NODIRATIME
    (4096, 1 << 21),  # ST_RELATIME
)


def make_template(template: Sequence[Entry], mounts: Sequence[Entry], slots: str, read_only: bool) -> None:
    """In a mount namespace of the launcher's own: all that sandboxes share, and what they will take from the host."""
    sys_.mount(None, "/", None, sys_.MS_REC | sys_.MS_PRIVATE)
    # Opened first, as they may lie below what is covered now.
    opened = [(entry, _open(entry.source) if entry.kind == "bind" else -1) for entry in template]
    later = [(entry, sys_.open_tree(entry.source)) for entry in mounts if entry.kind == "bind"]
    slots_fd = _open(slots)
    sys_.mount("tmpfs", _SHOP, "tmpfs", _QUIET, "mode=0755,size=1m")
    os.mkdir(TEMPLATE)
    sys_.mount("tmpfs", TEMPLATE, "tmpfs", _QUIET, "mode=0755,size=4m")
    _bind(slots_fd, _SLOTS)
    for entry, source in opened:
        _add(entry, source)
    for entry, source in later:
        is_folder = stat.S_ISDIR(os.fstat(source).st_mode)
        _make_target(_LATER + entry.at, is_folder)
        sys_.move_mount(source, _LATER + entry.at)
        os.close(source)
        _make_target(TEMPLATE + entry.at, is_folder)
    for entry in mounts:
        # Below /proc there is nothing to make.
        if entry.kind != "bind" and not entry.at.startswith("/proc/"):
            _make_target(TEMPLATE + entry.at, True)
    if read_only:
        sys_.mount(None, TEMPLATE, None, sys_.MS_BIND | sys_.MS_REMOUNT | sys_.MS_RDONLY | _QUIET)


def _open(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def _add(entry: Entry, source: int) -> None:
    target = TEMPLATE + entry.at
    if entry.kind == "dir":
        os.makedirs(target, exist_ok=True)
        os.chmod(target, entry.mode)
    elif entry.kind == "link":
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.lexists(target):
            os.symlink(entry.source, target)
    else:
        _bind(source, target)
        if entry.read_only:
            remount_read_only(target)


def _bind(source: int, target: str) -> None:
    _make_target(target, stat.S_ISDIR(os.fstat(source).st_mode))
    sys_.mount(f"/proc/self/fd/{source}", target, None, sys_.MS_BIND | sys_.MS_REC)
    os.close(source)


def _make_target(target: str, is_folder: bool) -> None:
    if is_folder:
        os.makedirs(target, exist_ok=True)
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if not os.path.lexists(target):
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def remount_read_only(target: str) -> None:
    sys_.mount(None, target, None, _read_only(target))


def _read_only(path: str) -> int:
    """Flags for a remount of what is mounted there, with those it has: the kernel refuses to lose those of a mount that came from
    outside the user namespace."""
    has = os.statvfs(path).f_flag
    return sum((flag for seen, flag in _KEPT if has & seen), sys_.MS_BIND | sys_.MS_REMOUNT | sys_.MS_RDONLY)


class Call(NamedTuple):
    """Arguments of mount(2). A `source` that is _SLOT, and %d in `data`, stand for what each order says anew."""

    source: Optional[bytes]
    target: bytes
    kind: Optional[bytes]
    flags: int
    data: Optional[bytes] = None


def plan_root(mounts: Sequence[Entry]) -> list[Call]:
    """Once the template is made: what a sandbox mounts, so that it need not think of it itself."""
    calls = [Call(TEMPLATE.encode(), TEMPLATE.encode(), None, sys_.MS_BIND | sys_.MS_REC)]
    for entry in mounts:
        calls += _calls(entry, os.fsencode(TEMPLATE + entry.at))
    return calls


def _calls(entry: Entry, target: bytes) -> list[Call]:
    if entry.kind == "proc":
        return [Call(b"proc", target, b"proc", _QUIET | sys_.MS_NOEXEC)]
    if entry.kind == "tmpfs":
        return [Call(b"tmpfs", target, b"tmpfs", _QUIET, b"mode=%o%s" % (entry.mode, b",size=%d" if entry.bounded else b""))]
    if entry.kind == "devpts":
        how = b"newinstance,ptmxmode=0666,mode=620"
        return [Call(b"devpts", target, b"devpts", sys_.MS_NOSUID | sys_.MS_NOEXEC, how)]
    remount = sys_.MS_BIND | sys_.MS_REMOUNT | _QUIET
    if entry.kind == "slot":
        return [Call(_SLOT, target, None, sys_.MS_BIND), Call(None, target, None, remount)]
    if entry.kind == "again":
        read_only = remount | sys_.MS_RDONLY | sys_.MS_NOEXEC
        return [Call(target, target, None, sys_.MS_BIND | sys_.MS_REC), Call(None, target, None, read_only)]
    if entry.kind == "cover":
        null = f"{TEMPLATE}/dev/null"
        return [Call(null.encode(), target, None, sys_.MS_BIND), Call(None, target, None, _read_only(null))]
    bound = _LATER + entry.at
    calls = [Call(os.fsencode(bound), target, None, sys_.MS_BIND | sys_.MS_REC)]
    return [*calls, Call(None, target, None, _read_only(bound))] if entry.read_only else calls


def enter_root(calls: Sequence[Call], folder: bytes, tmpfs_bytes: int, limit_namespaces: bool) -> None:
    """In the sandbox's own namespaces, with capabilities over them: makes its root and leaves every other one behind."""
    for source, target, kind, flags, data in calls:
        mount(
            _SLOT % folder if source == _SLOT else source,
            target,
            kind,
            flags,
            data % tmpfs_bytes if data is not None and b"%d" in data else data,
        )
        if kind == b"proc" and limit_namespaces:
            # Of this user namespace alone: none can be made in it any more.
            write_file(_MAX_NAMESPACES, "0")
    chdir(TEMPLATE)
    pivot_root(b".", b".")
    unmount(b".", MNT_DETACH)
    chdir("/")
