"""The launcher: hears the host's orders, forks a sandbox for each, tells when one has ended. One thread, one poll loop."""

from __future__ import annotations

import gc
import json
import os
import select
import signal
from os import close
from signal import set_wakeup_fd
from socket import AF_UNIX, SOCK_STREAM, SocketType
from typing import Any, Optional

from iso_runner.kernel import SIG_DFL, SIGCHLD, set_handler
from iso_runner.launch import Launch

from . import syscalls as sys_
from .plan import Order, Plan, read_order, read_plan
from .preimport import load
from .root import make_template
from .slot import INSIDE_ID, Way, plan_way, run_slot

_READ_BYTES = 65536
# Some versions of the host's library fill an abstract name up to what an address holds.
_ABSTRACT_NAME_BYTES = 108
# What json.loads does after asking what it was given.
_decode = json.JSONDecoder().raw_decode
_UNIX, _STREAM = int(AF_UNIX), int(SOCK_STREAM)
_AT_FORK = {
    "user": sys_.CLONE_NEWUSER,
    "pid": sys_.CLONE_NEWPID,
    "net": sys_.CLONE_NEWNET,
    "ipc": sys_.CLONE_NEWIPC,
    "uts": sys_.CLONE_NEWUTS,
}


class Launcher:
    def __init__(self, control: int, once: bool) -> None:
        self._control = control
        self._once = once
        self._unread = b""
        self._living: dict[int, str] = {}
        self._doors: list[str] = []
        self._token = b""
        self._flags = 0
        self._poll = select.poll()

    def run(self) -> Optional[Launch]:
        """None once the host has closed; a Launch in a process that is to become a program."""
        first = self._next_line()
        if first is None:
            return None
        plan = read_plan(first["plan"])
        # Every program forked from here would take it to pieces, page by page.
        for kept in (first, plan, self):
            sys_.never_free(kept)
        self._doors = ["\0" + first["door"], ("\0" + first["door"]).ljust(_ABSTRACT_NAME_BYTES, "\0")]
        self._token = first["token"].encode()
        load(plan.preimports, self._once)
        self._prepare(plan)
        way = plan_way(plan)
        sys_.never_free(way)
        # Nor does a program's collector find what was made since the library was loaded.
        gc.freeze()
        self._flags = sum((flag for name, flag in _AT_FORK.items() if name in plan.namespaces), sys_.CLONE_NEWNS)
        self._say({"ready": True})
        return self._serve(way)

    def _prepare(self, plan: Plan) -> None:
        uid, gid = os.getuid(), os.getgid()
        sys_.unshare(sys_.CLONE_NEWUSER | sys_.CLONE_NEWNS)
        if plan.maps_by_host:
            self._say({"unshared": True})
            if self._next_line() is None:
                os._exit(0)
        else:
            sys_.map_ids("self", 0, uid, gid)
        make_template(plan.template, plan.mounts, plan.slots, plan.read_only_root)

    def _serve(self, way: Way) -> Optional[Launch]:
        wake, wake_write = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(wake_write, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        self._poll.register(self._control, select.POLLIN)
        self._poll.register(wake, select.POLLIN)
        while True:
            for fd, _ in self._poll.poll():
                if fd == wake:
                    os.read(wake, _READ_BYTES)
                    self._reap()
                    continue
                lines = self._read_lines()
                if lines is None:
                    return None
                for line in lines:
                    launch = self._fork(way, read_order(line))
                    if launch is not None:
                        return launch

    def _fork(self, way: Way, order: Order) -> Optional[Launch]:
        order_id, _, uid, gid, _, _ = order
        control = -1
        try:
            # Connected here, outside every sandbox: no address of the host is reachable inside.
            control = self._connect(self._token + order_id.encode())
            pid = sys_.fork_into(self._flags)
        except OSError as error:
            if control >= 0:
                close(control)
            self._say({"refused": order_id, "message": str(error)})
            return None
        if pid == 0:
            _close_launcher(self._control)
            launch = run_slot(way, order, control)
            if launch is None:
                os._exit(0)
            return launch
        close(control)
        self._living[pid] = order_id
        try:
            sys_.map_ids(str(pid), INSIDE_ID, uid, gid)
        except OSError as error:
            os.kill(pid, signal.SIGKILL)
            self._say({"refused": order_id, "message": f"the ids cannot be mapped: {error}"})
            return None
        # By hand, as what this process touches between two forks it copies too.
        self._write(b'{"forked":"%b","pid":%d}\n' % (order_id.encode(), pid))
        return None

    def _connect(self, greeting: bytes) -> int:
        control = SocketType(_UNIX, _STREAM)
        try:
            control.connect(self._doors[-1])
            control.sendall(greeting)
        except ConnectionRefusedError:
            if len(self._doors) == 1:
                raise
            # Which of the two it is depends on the host's version of libuv, and stays so.
            self._doors.pop()
            return self._connect(greeting)
        return control.detach()

    def _reap(self) -> None:
        while self._living:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._write(b'{"gone":"%b","status":%d}\n' % (self._living.pop(pid).encode(), status))

    # -- the control socket ----------------------------------------------------------------------------------------

    def _say(self, message: dict[str, Any]) -> None:
        self._write(json.dumps(message).encode() + b"\n")

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._control, data) :]

    def _next_line(self) -> Optional[dict[str, Any]]:
        while b"\n" not in self._unread:
            if not self._read_more():
                return None
        line, _, self._unread = self._unread.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def _read_lines(self) -> Optional[list[dict[str, Any]]]:
        """Whole lines that are there; None once the host has closed."""
        if not self._read_more():
            return None
        *lines, self._unread = self._unread.split(b"\n")
        return [_decode(line.decode())[0] for line in lines]

    def _read_more(self) -> bool:
        try:
            chunk = os.read(self._control, _READ_BYTES)
        except OSError:
            return False
        self._unread += chunk
        return chunk != b""


def _close_launcher(control: int) -> None:
    """In a fork, which is no launcher."""
    set_wakeup_fd(-1)
    set_handler(SIGCHLD, SIG_DFL)
    close(control)
