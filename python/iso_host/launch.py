"""Starts a program as another user, with folders that this user could not reach bound where it can.

Usage: python -I -S launch.py UID GID PARENT DESCRIPTORS STAGE [ro|rw SOURCE]... -- PROGRAM [ARGUMENT]...

It runs as root on the host and never inside a sandbox. The folders are bound in a mount namespace of its own, so that
nothing of it is seen by, or left to, the rest of the host: the first SOURCE as STAGE/0, the second as STAGE/1. With "-" as
STAGE each is bound where it is, over the topmost folder that is closed to that user. All but DESCRIPTORS ("3,4") is closed.
Every sandbox waits for this, so it imports as little as can be.
"""

from __future__ import annotations

import ctypes
import os
import sys

CLONE_NEWNS = 0x00020000
MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
PR_SET_PDEATHSIG = 1
SIGKILL = 9
EXIT_LAUNCH_FAILED = 71
IN_PLACE = "-"

_libc = ctypes.CDLL(None, use_errno=True)


def main(arguments: list[str]) -> None:
    uid, gid, parent, descriptors, stage = arguments[:5]
    end = arguments.index("--")
    kinds, sources, command = arguments[5:end:2], arguments[6:end:2], arguments[end + 1 :]
    close_all_but({0, 1, 2, *map(int, filter(None, descriptors.split(",")))})
    os.umask(0o022)
    binds = list(zip(kinds, sources))
    if stage == IN_PLACE:
        reveal_folders(int(uid), int(gid), binds)
    else:
        stage_folders(stage, binds)
    os.chdir("/")
    become(int(uid), int(gid))
    die_with(int(parent))
    os.execv(command[0], command)


def close_all_but(keep: set[int]) -> None:
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        if number not in keep:
            try:
                os.close(number)
            except OSError:
                pass  # the descriptor of the listing itself


def stage_folders(stage: str, binds: list[tuple[str, str]]) -> None:
    opened = open_in_new_namespace(binds)
    mount("tmpfs", stage, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m")
    for number, (kind, _, source) in enumerate(opened):
        bind(kind, source, f"{stage}/{number}")


def reveal_folders(uid: int, gid: int, binds: list[tuple[str, str]]) -> None:
    opened = open_in_new_namespace(binds)
    tops = {top for _, path, _ in opened for top in [closed_top(uid, gid, path)] if top is not None}
    for top in sorted(tops):
        mount("tmpfs", top, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m")
    for kind, path, source in opened:
        if any(path == top or path.startswith(f"{top}/") for top in tops):
            os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
            bind(kind, source, path)
        else:
            os.close(source)


def closed_top(uid: int, gid: int, path: str) -> str | None:
    """The topmost folder above `path` that this user may not enter, by its mode; None where there is none."""
    at = ""
    for name in path.split("/")[1:-1]:
        at = f"{at}/{name}"
        stat = os.stat(at)
        shift = 6 if stat.st_uid == uid else 3 if stat.st_gid == gid else 0
        if not stat.st_mode >> shift & 1:
            return at
    return None


def open_in_new_namespace(binds: list[tuple[str, str]]) -> list[tuple[str, str, int]]:
    check(_libc.unshare(CLONE_NEWNS), "unshare")
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    # Opened here, in the new namespace and before a mount covers what may lie below it.
    return [(kind, source, os.open(source, os.O_PATH | os.O_CLOEXEC)) for kind, source in binds]


def bind(kind: str, source: int, target: str) -> None:
    seen = f"/proc/self/fd/{source}"
    if os.path.isdir(seen):
        os.makedirs(target, 0o755, exist_ok=True)
    elif not os.path.lexists(target):
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    mount(seen, target, None, MS_BIND | MS_REC)
    if kind != "rw":
        mount(None, target, None, MS_BIND | MS_REMOUNT | MS_RDONLY | kept_flags(target))
    os.close(source)


def kept_flags(path: str) -> int:
    """Flags of the mount that a remount must repeat: the kernel refuses to lose them."""
    flags = os.statvfs(path).f_flag
    pairs = ((os.ST_NOSUID, MS_NOSUID), (os.ST_NODEV, MS_NODEV), (os.ST_NOEXEC, 8), (os.ST_NOATIME, 1024))
    return sum(mount_flag for seen, mount_flag in pairs if flags & seen)


def become(uid: int, gid: int) -> None:
    if uid == 0 or gid == 0:
        raise ValueError("a sandbox never runs as root")
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def die_with(parent: int) -> None:
    # After the change of user, which clears it.
    check(_libc.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(SIGKILL), 0, 0, 0), "prctl")
    if os.getppid() != parent:
        os._exit(EXIT_LAUNCH_FAILED)


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind, data)]
    result = _libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3])
    check(result, f"mount {source} on {target}")


def check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Exception as error:  # noqa: BLE001 - whatever it is, one line says it to the host
        print(f"the launcher failed: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(EXIT_LAUNCH_FAILED)
