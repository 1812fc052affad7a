"""What the kernel and the interpreter alone cost: forks of a prepared interpreter that do nothing, beside a bare start, in turns.

Usage: floor.py ROUNDS. Prints one line of JSON: for each side the wall times and the processor times of all its processes, in ms.
"""

import gc
import importlib
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../python"))

from iso_runner.boot import PRELOAD  # noqa: E402
from iso_zygote import syscalls  # noqa: E402

ALL = (
    syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWUSER
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWNET
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUTS
)


def bare():
    return os.posix_spawn(sys.executable, [sys.executable, "-I", "-c", "pass"], {})


def one_fork(flags=0):
    pid = syscalls.fork_into(flags)
    if pid == 0:
        os._exit(0)
    return pid


def two_forks(go=None):
    """As a sandbox has them: a first process, and a program that prints and ends as Python programs do, once `go` can be read."""
    read, write = os.pipe()
    pid = syscalls.fork_into(ALL)
    if pid == 0:
        program = os.fork()
        if program == 0:
            if go is not None:
                os.read(go, 1)
            os.dup2(write, 1)
            exec(compile("print(1)", "main.py", "exec"), {})
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(program, 0)
        os._exit(0)
    os.close(write)
    return pid, read


def read_all(started):
    pid, read = started
    while os.read(read, 4096):
        pass
    os.close(read)
    return pid


class Ready:
    """Both processes wait when the clock starts."""

    def __init__(self):
        go, self.go = os.pipe()
        self.started = two_forks(go)
        os.close(go)
        time.sleep(0.02)

    def __call__(self):
        os.write(self.go, b"1")
        os.close(self.go)
        return read_all(self.started)


SIDES = {"bare": bare, "fork": one_fork, "namespaces": lambda: one_fork(ALL), "sandbox": lambda: read_all(two_forks()), "ready": Ready}


def measure(side):
    side = side() if side is Ready else side
    wall, own = time.perf_counter(), time.process_time()
    _, status, usage = os.wait4(side(), 0)
    if status != 0:
        raise SystemExit(f"a fork ended with {status}")
    spent = usage.ru_utime + usage.ru_stime + time.process_time() - own
    return (time.perf_counter() - wall) * 1000, spent * 1000


def main(rounds):
    for name in PRELOAD:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    found = {name: {"wall": [], "cpu": []} for name in SIDES}
    for number in range(rounds + 3):
        for name, side in SIDES.items():
            wall, cpu = measure(side)
            if number >= 3:
                found[name]["wall"].append(wall)
                found[name]["cpu"].append(cpu)
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]))
