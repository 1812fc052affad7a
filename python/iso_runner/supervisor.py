"""The supervisor: pid 1 of a sandbox. It forks the program, hears the host, ends every process and reports how it ended.

It never runs user code and believes nothing it relays. One thread, one poll loop.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Callable, Collection
from os import WNOHANG, getpid, pipe, set_blocking, waitpid
from signal import set_wakeup_fd
from typing import NoReturn, Optional

from . import boot, kernel
from .boot import prepare
from .busy import BusyClock
from .frames import FROM_HOST, Decoder, FrameError, encode, encode_json, encode_problem, is_one_frame
from .kernel import SIG_IGN, SIGCHLD, close_all_but, kill_everything, set_handler, set_signals
from .launch import TRACE_SIGNAL, Child, Launch, fork_program
from .outbox import Outbox
from .program_link import READ_BYTES, ProgramLink
from .report import Counters, exit_report, hello
from .watch import READABLE, Watch

TRACE_WAIT_S = 0.15
TRACE_QUIET_S = 0.03
KILL_AGAIN_S = 0.01
RELEASE_WAIT_S = 2
GRACE_MAX_MS = 60_000


# For as long as the process lives.
_kept: list[object] = []


def supervise(arguments: list[str]) -> Optional[Launch]:
    """Returns a Launch in the forked child and None in the supervisor, once its work is done."""
    options = boot.read_options(arguments)
    control_in, control_out = boot.control_descriptors(options.fd)
    return supervise_at(control_in, control_out, options.filter)


def supervise_at(
    control_in: int,
    control_out: int,
    program_filter: Optional[bytes],
    proof: Callable[[], bool] = lambda: True,
) -> Optional[Launch]:
    """As `supervise`, with the channel at hand. Nothing is forked before `proof`, asked after the hello, says True: the host may
    want to look at this process first. False: the host is gone."""
    close_all_but({0, 1, 2, control_in, control_out})
    set_signals(SIG_IGN, but=(SIGCHLD,))
    supervisor = Supervisor(control_in, control_out, program_filter)
    parent = getpid()
    try:
        return supervisor.run(proof)
    except BaseException as error:
        if os.getpid() != parent:
            raise
        supervisor.give_up(f"{type(error).__name__}: {error}")


def _wake_up(*_: object) -> None:
    """For SIGCHLD: what wakes the loop is the descriptor that CPython writes to."""


class Supervisor:
    def __init__(self, control_in: int, control_out: int, system_call_filter: Optional[bytes]) -> None:
        self._filter = system_call_filter
        self._control_in = control_in
        self._host = Outbox(control_out)
        self._from_host = Decoder(FROM_HOST)
        self._watch = Watch()
        set_blocking(control_in, False)
        set_blocking(control_out, False)
        self._wake, self._wake_write = pipe()
        set_blocking(self._wake, False)
        set_blocking(self._wake_write, False)
        self._pid: Optional[int] = None  # of the program; None before it is forked
        self._status: Optional[int] = None
        self._has_job = False
        self._link: ProgramLink  # once it is forked
        self._grace_s: Optional[float] = None  # set by the first stop
        self._term_at: Optional[float] = None
        self._kill_at: Optional[float] = None
        self._busy: Optional[BusyClock] = None  # once the host wants to know
        self._alone = False  # no process of the program is left
        self._counters = Counters()

    def run(self, proof: Callable[[], bool]) -> Optional[Launch]:
        set_handler(SIGCHLD, _wake_up)
        set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self.say_hello()
        if not proof():
            return None
        set_blocking(self._control_in, False)
        prepare(self._control_in)
        child = fork_program(self._filter)
        if isinstance(child, Launch):
            # To take it to pieces is two dozen pages that the program would copy.
            _kept.append(self)
            return child
        self.attend(child)
        while not (self._alone and self._link.is_drained()):
            self.take_turn()
        self.report_exit()
        return None

    def attend(self, child: Child) -> None:
        self._pid = child.pid
        self._link = ProgramLink(child, self._host)

    def take_turn(self) -> None:
        quiet = self._poll()
        self._read_host(quiet)
        if self._link.relay(quiet) and self._term_at is not None:
            # A dump is over when it pauses.
            self._term_at = min(self._term_at, time.monotonic() + TRACE_QUIET_S)
        self._keep_time()
        if self._wake not in quiet:
            self._reap()

    def close(self) -> None:
        """Of one that ran no program. Descriptors that were given to it stay with whom they came from."""
        os.close(self._wake)
        os.close(self._wake_write)

    # -- before the loop -----------------------------------------------------------------------------------------

    def say_hello(self) -> None:
        self._host.put(encode(b"H", hello()))
        self._host.flush()

    # -- the loop ------------------------------------------------------------------------------------------------

    def _poll(self) -> Collection[int]:
        """Sleeps until something can be done. What then can be done is found out by trying, as all is non-blocking; but not where
        this says that nothing is."""
        self._flush_host()
        # Asked once: what is not listened to for a time must be looked at when that is over.
        holds_back_until = self._link.holds_back_until()
        from_host = READABLE if holds_back_until is None else 0
        wanted = {self._control_in: from_host, self._wake: READABLE}
        if self._host.pending:
            host_out = self._host.fd
            wanted[host_out] = select.POLLOUT | (from_host if host_out == self._control_in else 0)
        looks_again_at = self._link.register(wanted)
        quiet = self._watch.wait(wanted, self._timeout_ms(holds_back_until, looks_again_at))
        if self._wake not in quiet:
            self._drain_wake()
        self._flush_host()
        return quiet

    def _drain_wake(self) -> None:
        try:
            while os.read(self._wake, 4096):
                pass
        except BlockingIOError:
            pass

    def _flush_host(self) -> None:
        try:
            self._host.flush()
        except OSError:
            self._host_is_gone()

    def _timeout_ms(self, *of_the_link: Optional[float]) -> Optional[float]:
        next_look = None if self._busy is None else self._busy.next_look
        moments = [moment for moment in (self._term_at, self._kill_at, next_look, *of_the_link) if moment is not None]
        if not moments:
            return None
        return max(0.0, (min(moments) - time.monotonic()) * 1000 + 1)

    def _feed_host(self) -> None:
        try:
            chunk = os.read(self._control_in, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._host_is_gone()
        if self._has_job and not self._from_host.buffered and is_one_frame(chunk, b"A"):
            self._link.give(chunk)
        else:
            self._from_host.feed(chunk)

    def _read_host(self, quiet: Collection[int]) -> None:
        if self._link.holds_back_until() is not None:
            return
        if self._control_in not in quiet:
            self._feed_host()
        while True:
            frame = self._from_host.next()
            if frame is None:
                return
            kind, payload = frame
            if kind == b"S":
                self._stop(json.loads(payload))
            elif kind == b"W":
                self._busy = self._busy or BusyClock()
            elif (kind == b"J") == self._has_job:
                raise FrameError("a second job" if self._has_job else "an answer came before the job")
            else:
                self._has_job = True
                self._link.give(encode(kind, payload))

    def _host_is_gone(self) -> NoReturn:
        self._end_all_processes()
        os._exit(0)

    # -- the end -------------------------------------------------------------------------------------------------

    def _stop(self, request: dict[str, object]) -> None:
        # It may be over although nobody has looked yet; then it was not stopped, and its end is its own.
        self._reap()
        if self._grace_s is not None or self._status is not None:
            return
        grace_ms = request.get("graceMs")
        self._grace_s = max(0, min(grace_ms if isinstance(grace_ms, (int, float)) else 0, GRACE_MAX_MS)) / 1000
        self._signal(signal.SIGCONT)
        if request.get("trace") is True and self._link.expect_trace():
            self._signal(TRACE_SIGNAL)
            self._term_at = time.monotonic() + TRACE_WAIT_S
        else:
            self._term_at = time.monotonic()

    def _signal(self, number: int) -> None:
        if self._pid is not None and self._status is None:
            try:
                os.kill(self._pid, number)
            except OSError:
                pass

    def _keep_time(self) -> None:
        now = time.monotonic()
        if self._busy is not None and now >= self._busy.next_look:
            self._host.put(encode_json(b"U", {"busyMs": round(self._busy.look() * 1000)}))
        if self._term_at is not None and now >= self._term_at:
            self._term_at = None
            self._signal(signal.SIGTERM)
            self._kill_at = now + (self._grace_s or 0)
        if self._kill_at is not None and now >= self._kill_at:
            kernel.kill_everything()
            self._kill_at = now + KILL_AGAIN_S

    def _reap(self) -> None:
        while True:
            try:
                pid, status = waitpid(-1, WNOHANG)
            except ChildProcessError:
                self._alone = True
                self._kill_at = None
                return
            if pid == 0:
                return
            if pid == self._pid:
                self._status = status
                self._term_at = None
                self._busy = None
                # The run ends with its program; forks that appear meanwhile are met by the next round.
                kill_everything()
                self._kill_at = time.monotonic() + KILL_AGAIN_S

    def report_exit(self) -> None:
        status = self._status if self._has_job else None
        self._host.put(encode(b"X", exit_report(status, self._pid, self._grace_s is not None, self._counters)))
        self._flush_all()
        self._await_release()

    def _await_release(self) -> None:
        """Waits for the host to close: an answer on its way to a stream without a reader would cost it the exit frame."""
        deadline = time.monotonic() + RELEASE_WAIT_S
        try:
            while select.select([self._control_in], [], [], max(0.0, deadline - time.monotonic()))[0]:
                if not os.read(self._control_in, READ_BYTES):
                    return
        except OSError:
            pass  # the host is gone

    def _flush_all(self) -> None:
        try:
            self._host.flush()
            while self._host.pending:
                select.select([], [self._host.fd], [])
                self._host.flush()
        except OSError:
            pass  # the host is gone; nobody is left to tell

    def _end_all_processes(self) -> None:
        deadline = time.monotonic() + 5
        while self._pid is not None and time.monotonic() < deadline:
            kernel.kill_everything()
            try:
                while waitpid(-1, WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return
            time.sleep(0.002)

    def give_up(self, message: str) -> NoReturn:
        self._host.put(encode_problem("supervisor", message))
        self._end_all_processes()
        self._flush_all()
        os._exit(70)
