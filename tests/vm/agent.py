#!/usr/bin/python3
"""Runs in the guest: starts each command that the host puts into the shared folder, as a unit of its own, and tells its end."""

import json
import os
import subprocess
import sys
import time

POLL_S = 0.02


def put(path: str, text: str) -> None:
    """The host sees whole files only."""
    with open(path + ".part", "w") as file:
        file.write(text)
    os.rename(path + ".part", path)


def command_of(job: dict, name: str) -> list[str]:
    """A unit of its own has a control group of its own, and ends with all that it started."""
    run = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", f"--unit=guest-job-{name}"]
    run += [f"--working-directory={job['cwd']}", "-p", f"RuntimeMaxSec={job['timeoutS']}", "-p", "TimeoutStopSec=5"]
    run += ["-p", "LimitNOFILE=65536"]
    if job["user"] == "root":
        run += ["--setenv=HOME=/root"]
    else:
        # A login, as over ssh: a session, and the way to the user's own manager.
        run += [f"--uid={job['user']}", "-p", "PAMName=login"]
    return [*run, "--", "/bin/bash", "-lc", job["command"]]


def main(folder: str) -> None:
    running: dict[str, subprocess.Popen] = {}
    put(os.path.join(folder, "ready"), "")
    while True:
        for file in os.listdir(folder):
            name, kind = os.path.splitext(file)
            if kind != ".job":
                continue
            path = os.path.join(folder, name)
            with open(path + ".job") as text:
                job = json.load(text)
            os.unlink(path + ".job")
            with open(path + ".out", "wb") as out, open(path + ".err", "wb") as err:
                running[name] = subprocess.Popen(
                    command_of(job, name), stdin=subprocess.DEVNULL, stdout=out, stderr=err
                )
        for name, process in list(running.items()):
            if process.poll() is not None:
                del running[name]
                put(os.path.join(folder, name + ".end"), str(process.returncode))
        time.sleep(POLL_S)


if __name__ == "__main__":
    main(sys.argv[1])
