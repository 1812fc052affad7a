"""The root of a sandbox: a template made once by the launcher, and what each sandbox mounts on its own copy of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from iso_runner.kernel import write_file

from . import syscalls as sys_
from .plan import Entry

# A file system of the launcher's own mount namespace, over a folder that every host has. What lies below is opened before.
_SHOP = "/tmp"
TEMPLATE = f"{_SHOP}/root"
_SLOTS = f"{_SHOP}/slots"
_LATER = f"{_SHOP}/later"
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
    """With the flags the mount has: the kernel refuses to lose those of a mount that came from outside the user namespace."""
    has = os.statvfs(target).f_flag
    kept = sum(flag for seen, flag in _KEPT if has & seen)
    sys_.mount(None, target, None, sys_.MS_BIND | sys_.MS_REMOUNT | sys_.MS_RDONLY | kept)


def enter_root(mounts: Sequence[Entry], folder: str, tmpfs_bytes: int, limit_namespaces: bool) -> None:
    """In the sandbox's own namespaces, with capabilities over them: makes its root and leaves every other one behind."""
    sys_.mount(TEMPLATE, TEMPLATE, None, sys_.MS_BIND | sys_.MS_REC)
    for entry in mounts:
        _mount(entry, folder, tmpfs_bytes)
        if entry.kind == "proc" and limit_namespaces:
            # Of this user namespace alone: none can be made in it any more.
            write_file(f"{TEMPLATE}/proc/sys/user/max_user_namespaces", "0")
    os.chdir(TEMPLATE)
    sys_.pivot_root(b".", b".")
    sys_.unmount(".", sys_.MNT_DETACH)
    os.chdir("/")


def _mount(entry: Entry, folder: str, tmpfs_bytes: int) -> None:
    target = TEMPLATE + entry.at
    if entry.kind == "proc":
        sys_.mount("proc", target, "proc", _QUIET | sys_.MS_NOEXEC)
    elif entry.kind == "tmpfs":
        size = f",size={tmpfs_bytes}" if entry.bounded else ""
        sys_.mount("tmpfs", target, "tmpfs", _QUIET, f"mode={entry.mode:o}{size}")
    elif entry.kind == "devpts":
        sys_.mount("devpts", target, "devpts", sys_.MS_NOSUID | sys_.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    elif entry.kind == "slot":
        sys_.mount(f"{_SLOTS}/{folder}", target, None, sys_.MS_BIND)
        sys_.mount(None, target, None, sys_.MS_BIND | sys_.MS_REMOUNT | _QUIET)
    elif entry.kind == "again":
        sys_.mount(target, target, None, sys_.MS_BIND | sys_.MS_REC)
        sys_.mount(None, target, None, sys_.MS_BIND | sys_.MS_REMOUNT | sys_.MS_RDONLY | _QUIET | sys_.MS_NOEXEC)
    elif entry.kind == "cover":
        null = f"{TEMPLATE}/dev/null"
        sys_.mount(null, target, None, sys_.MS_BIND)
        remount_read_only(target)
    else:
        sys_.mount(_LATER + entry.at, target, None, sys_.MS_BIND | sys_.MS_REC)
        if entry.read_only:
            remount_read_only(target)
