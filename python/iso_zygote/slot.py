"""The first process of a sandbox, forked from the launcher: closes every door behind itself and becomes the supervisor."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence
from typing import Optional

from iso_runner import kernel
from iso_runner.frames import encode_problem
from iso_runner.launch import Launch
from iso_runner.supervisor import supervise_at

from . import syscalls as sys_
from .plan import Order, Plan
from .root import enter_root

INSIDE_ID = 1000
_HOST_NAME = "sandbox"


def run_slot(plan: Plan, order: Order, control: socket.socket) -> Optional[Launch]:
    """Returns as the supervisor does: a Launch in the program's process, None in the first one once its work is done."""
    fd = control.detach()
    first = os.getpid()
    try:
        # Nothing runs unbounded: the host says so once this process has its ids, and its control group is there.
        if not _told_to_go(fd):
            os._exit(0)
        _join(order.doors)
        _become_inside(plan)
        _close_doors(plan, order)
    except BaseException as error:
        if os.getpid() == first:
            os.write(fd, encode_problem("slot", f"{type(error).__name__}: {error}"))
            os._exit(70)
        raise
    return supervise_at(fd, fd, None, proof=lambda: _told_to_go(fd))


def _told_to_go(fd: int) -> bool:
    os.set_blocking(fd, True)
    try:
        return os.read(fd, 1) == b"\n"
    except OSError:
        return False


def _join(doors: Sequence[str]) -> None:
    """While it has the launcher's ids, whom these files belong to. The host looks whether it is in, and else moves it."""
    for door in doors:
        try:
            kernel.write_file(door, "0")
        except OSError:
            pass


def _become_inside(plan: Plan) -> None:
    os.setresgid(INSIDE_ID, INSIDE_ID, INSIDE_ID)
    os.setresuid(INSIDE_ID, INSIDE_ID, INSIDE_ID)
    # The change of ids cleared both. Beside it the host ends what the launcher leaves.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if plan.new_session:
        os.setsid()


def _close_doors(plan: Plan, order: Order) -> None:
    if "cgroup" in plan.namespaces:
        # Only now, so that the sandbox's own group is the root it sees.
        sys_.unshare(sys_.CLONE_NEWCGROUP)
    if "uts" in plan.namespaces:
        sys_.set_host_name(_HOST_NAME)
    if "net" in plan.namespaces:
        sys_.raise_loopback()
    enter_root(plan.mounts, order.folder, order.tmpfs_bytes, plan.limit_namespaces)
    if plan.forget_environment:
        _forget_arguments()
    if plan.drop_capabilities:
        sys_.drop_capabilities()
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    if plan.filter is not None:
        kernel.filter_system_calls(plan.filter)


def _forget_arguments() -> None:
    """/proc/self/cmdline and environ of every process inside would show the launcher's, with paths and names of the host."""
    memory = sys_.argument_memory()
    if memory is not None:
        sys_.overwrite_memory(memory[0], memory[1])
        sys_.overwrite_memory(memory[2], memory[3])
