"""Whether this kernel lets this user make what a launcher makes: `python -I -S trial.py`. It ends with 0 if so."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from iso_zygote import syscalls as sys_

_ALL = sys_.CLONE_NEWUSER | sys_.CLONE_NEWNS | sys_.CLONE_NEWPID | sys_.CLONE_NEWNET | sys_.CLONE_NEWIPC | sys_.CLONE_NEWUTS


def _make_root() -> None:
    sys_.mount(None, "/", None, sys_.MS_REC | sys_.MS_PRIVATE)
    sys_.mount("tmpfs", "/tmp", "tmpfs", sys_.MS_NOSUID | sys_.MS_NODEV, "size=64k")
    os.mkdir("/tmp/proc")
    sys_.mount("proc", "/tmp/proc", "proc", sys_.MS_NOSUID | sys_.MS_NODEV | sys_.MS_NOEXEC)


def main() -> int:
    uid, gid = os.getuid(), os.getgid()
    sys_.unshare(sys_.CLONE_NEWUSER | sys_.CLONE_NEWNS)
    sys_.map_ids("self", 0, uid, gid)
    ready, go = os.pipe()
    pid = sys_.fork_into(_ALL)
    if pid == 0:
        os.close(go)
        os.read(ready, 1)
        _make_root()
        os._exit(0)
    sys_.map_ids(str(pid), 1000, 0, 0)
    os.close(go)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
