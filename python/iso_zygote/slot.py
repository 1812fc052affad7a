"""The first process of a sandbox, forked from the launcher: closes every door behind itself and becomes the supervisor."""

from __future__ import annotations

import os
from collections.abc import Sequence
from os import getpid, set_blocking, setresgid, setresuid, setsid
from os import read as read_from
from typing import NamedTuple, Optional

from iso_runner.frames import encode_problem
from iso_runner.kernel import (
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    SIGKILL,
    FilterProgram,
    filter_program,
    filter_system_calls,
    prctl,
    write_file,
)
from iso_runner.launch import Launch
from iso_runner.supervisor import supervise_at

from .plan import Order, Plan
from .root import Call, enter_root, plan_root
from .syscalls import (
    CLONE_NEWCGROUP,
    argument_memory,
    drop_capabilities,
    overwrite_memory,
    raise_loopback,
    set_host_name,
    unshare,
)

INSIDE_ID = 1000
_HOST_NAME = b"sandbox"


class Way(NamedTuple):
    """What each first process of a launcher's does alike, thought of by the launcher. Names are looked up there too, when this
    file is loaded: a process that looks one up in a module for the first time copies some four pages."""

    new_session: bool
    cgroup_namespace: bool
    own_host_name: bool
    loopback: bool
    root: Sequence[Call]
    limit_namespaces: bool
    # Where its arguments and environment lie, which show paths and names of the host.
    forgotten: Sequence[tuple[int, int]]
    drop_capabilities: bool
    filter: Optional[FilterProgram]


def plan_way(plan: Plan) -> Way:
    """Once the launcher has made its template."""
    memory = argument_memory() if plan.forget_environment else None
    return Way(
        plan.new_session,
        "cgroup" in plan.namespaces,
        "uts" in plan.namespaces,
        "net" in plan.namespaces,
        plan_root(plan.mounts),
        plan.limit_namespaces,
        [] if memory is None else [memory[:2], memory[2:]],
        plan.drop_capabilities,
        None if plan.filter is None else filter_program(plan.filter),
    )


def run_slot(way: Way, order: Order, fd: int) -> Optional[Launch]:
    """Returns as the supervisor does: a Launch in the program's process, None in the first one once its work is done."""
    first = getpid()
    try:
        # Nothing runs unbounded: the host says so once this process has its ids, and its control group is there.
        if not _told_to_go(fd):
            os._exit(0)
        _become(way, order)
    except BaseException as error:
        if os.getpid() == first:
            os.write(fd, encode_problem("slot", f"{type(error).__name__}: {error}"))
            os._exit(70)
        raise
    return supervise_at(fd, fd, None, proof=lambda: _told_to_go(fd))


def _told_to_go(fd: int) -> bool:
    set_blocking(fd, True)
    try:
        return read_from(fd, 1) == b"\n"
    except OSError:
        return False


def _become(way: Way, order: Order) -> None:
    (
        new_session,
        cgroup_namespace,
        own_host_name,
        loopback,
        root,
        limit_namespaces,
        forgotten,
        drops_capabilities,
        system_call_filter,
    ) = way
    _, folder, _, _, tmpfs_bytes, doors = order
    # While it has the launcher's ids, whom these files belong to. The host looks whether it is in, and else moves it.
    for door in doors:
        try:
            write_file(door, "0")
        except OSError:
            pass
    setresgid(INSIDE_ID, INSIDE_ID, INSIDE_ID)
    setresuid(INSIDE_ID, INSIDE_ID, INSIDE_ID)
    # The change of ids cleared both. Beside it the host ends what the launcher leaves.
    prctl(PR_SET_DUMPABLE, 1)
    prctl(PR_SET_PDEATHSIG, SIGKILL)
    if new_session:
        setsid()
    if cgroup_namespace:
        # Only now, so that the sandbox's own group is the root it sees.
        unshare(CLONE_NEWCGROUP)
    if own_host_name:
        set_host_name(_HOST_NAME)
    if loopback:
        raise_loopback()
    enter_root(root, folder.encode(), tmpfs_bytes, limit_namespaces)
    for start, end in forgotten:
        overwrite_memory(start, end)
    if drops_capabilities:
        drop_capabilities()
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    if system_call_filter is not None:
        filter_system_calls(system_call_filter)
