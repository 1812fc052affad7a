"""Starts a program as another user, with folders that this user could not reach bound where it can.

Usage: python -I -S launch.py UID GID PARENT DESCRIPTORS STAGE [ro|rw SOURCE]... -- PROGRAM [ARGUMENT]...

It runs as root on the host and never inside a sandbox. The folders are bound in a mount namespace of its own, so that
nothing of it is seen by, or left to, the rest of the host: the first SOURCE as STAGE/0, the second as STAGE/1. All but
DESCRIPTORS ("3,4") is closed. Every sandbox waits for this, so it imports as little as can be.
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

_libc = ctypes.CDLL(None, use_errno=True)


def main(arguments: list[str]) -> None:
    uid, gid, parent, descriptors, stage = arguments[:5]
    end = arguments.index("--")
    kinds, sources, command = arguments[5:end:2], arguments[6:end:2], arguments[end + 1 :]
    close_all_but({0, 1, 2, *map(int, descriptors.split(","))})
    os.umask(0o022)
    stage_folders(stage, list(zip(kinds, sources)))
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
    check(_libc.unshare(CLONE_NEWNS), "unshare")
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    # Opened here, in the new namespace and before the stage covers what may lie below it.
    opened = [(kind, os.open(source, os.O_PATH | os.O_CLOEXEC)) for kind, source in binds]
    mount("tmpfs", stage, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m")
    for number, (kind, source) in enumerate(opened):
        target = f"{stage}/{number}"
        seen = f"/proc/self/fd/{source}"
        if os.path.isdir(seen):
            os.mkdir(target, 0o755)
        else:
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
