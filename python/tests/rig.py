"""Runs one snippet under a real supervisor, without a sandbox, over a socket pair."""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable, Optional

RUNNER = Path(__file__).resolve().parent.parent / "iso_runner"
GIVE_UP_S = 60
TOOLS = [
    {
        "alias": "local_tools",
        "tools": [
            {"name": "echo", "params": ["text", "times"], "doc": "Says it again."},
            {"name": "fail", "params": [], "doc": "Always fails."},
            {"name": "silent", "params": [], "doc": "Never answered."},
        ],
    }
]

Frame = tuple[str, bytes]


class Result:
    """What a host would know at the end."""

    def __init__(self, frames: list[Frame], exit_status: int, work: Path) -> None:
        self.frames = frames
        self.supervisor_status = exit_status
        self.work = work
        self.kinds = "".join(kind for kind, _ in frames)
        self.stdout = self.text("O")
        self.stderr = self.text("E")
        self.log = self.text("L")
        self.trace = self.text("T")
        self.messages = [json.loads(payload) for kind, payload in frames if kind == "C"]
        self.problems = [json.loads(payload) for kind, payload in frames if kind == "P"]
        exits = [json.loads(payload) for kind, payload in frames if kind == "X"]
        self.exit: dict[str, Any] = exits[0] if exits else {}
        self.ending = (self.exit.get("exitCode"), self.exit.get("signal"))

    def text(self, kind: str) -> str:
        return b"".join(payload for found, payload in self.frames if found == kind).decode("utf-8", "replace")

    def message(self, what: str) -> dict[str, Any]:
        found = [message for message in self.messages if message["t"] == what]
        if len(found) != 1:
            raise AssertionError(f"{len(found)} messages of type {what}: {self.messages}\n{self.stderr}")
        return dict(found[0])


class Rig:
    """One supervisor; closed, it and everything below it is gone."""

    def __init__(self, python: str = sys.executable, docker: bool = False, options: Sequence[str] = (), before: str = "") -> None:
        """`before` is code that the supervisor runs ahead of its own."""
        self.folder = Path(tempfile.mkdtemp(prefix="iso-runner-"))
        self.work = self.folder / "work"
        (self.folder / "out").mkdir()
        self.work.mkdir()
        runner = RUNNER
        if before:
            runner = self.folder / "runner.py"
            runner.write_text(f"{before}\nimport runpy\nrunpy.run_path({str(RUNNER)!r}, run_name='__main__')\n")
        command = [python, "-I", "-X", "utf8", str(runner), *options]
        if docker:
            ours, theirs = socket.socketpair()
            self.process = subprocess.Popen(command, stdin=theirs.fileno(), stdout=theirs.fileno(), env={"HOST_SECRET": "s3cret"})
        else:
            ours, theirs = socket.socketpair()
            fd = theirs.fileno()
            self.process = subprocess.Popen([*command, "--fd", str(fd)], pass_fds=[fd], env={"HOST_SECRET": "s3cret"})
        theirs.close()
        ours.settimeout(GIVE_UP_S)
        self.socket = ours
        self._reader = ours.makefile("rb")

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        self.socket.close()
        self.process.wait(GIVE_UP_S)
        shutil.rmtree(self.folder, ignore_errors=True)

    def send(self, kind: bytes, body: dict[str, Any]) -> None:
        payload = json.dumps(body).encode()
        self.socket.sendall(struct.pack(">Ic", len(payload), kind) + payload)

    def send_job(self, code: str, **changes: Any) -> None:
        job = {
            "code": code,
            "runId": "run-1",
            "turnId": "turn-1",
            "userId": "user-1",
            "args": [],
            "env": {},
            "stdin": None,
            "work": str(self.work),
            "out": str(self.folder / "out"),
            "cwd": str(self.work),
            "limits": {"openFiles": 256, "fileSize": 50_000_000, "processes": None, "addressSpace": None},
            "tools": TOOLS,
        }
        (self.work / "main.py").write_text(code, encoding="utf-8", errors="surrogatepass")
        self.send(b"J", {**job, **changes})

    def stop(self, trace: bool = False, grace_ms: int = 200) -> None:
        self.send(b"S", {"reason": "timeout", "trace": trace, "graceMs": grace_ms})

    def release(self) -> None:
        """Says that the end was heard; reading goes on."""
        self.socket.shutdown(socket.SHUT_WR)

    def next_frame(self) -> Optional[Frame]:
        header = self._reader.read(5)
        if len(header) < 5:
            return None
        length, kind = struct.unpack(">Ic", header)
        return kind.decode(), self._reader.read(length)

    def wait_for(self, kind: str) -> bytes:
        seen: list[Frame] = []
        while True:
            frame = self.next_frame()
            if frame is None:
                raise AssertionError(f"the runner ended without a frame of kind {kind}: {seen}")
            if frame[0] == kind:
                return frame[1]
            seen.append(frame)

    def follow(self, on_frame: Callable[[str, bytes], None] = lambda *_: None) -> Result:
        """Reads to the end; tool calls are answered as TOOLS says."""
        frames: list[Frame] = []
        while True:
            frame = self.next_frame()
            if frame is None:
                break
            if frame[0] not in "OE" or sum(len(payload) for _, payload in frames) < 16_000_000:
                frames.append(frame)
            if frame[0] == "C":
                self._answer(frame[1])
            elif frame[0] == "X":
                self.release()
            on_frame(*frame)
        return Result(frames, self.process.wait(GIVE_UP_S), self.work)

    def _answer(self, payload: bytes) -> None:
        try:
            message = json.loads(payload)
        except ValueError:
            return
        if not isinstance(message, dict) or message.get("t") != "call" or message["tool_id"].endswith(".silent"):
            return
        answer = {"id": message["id"], "ok": True, "ret": {"params": message["params"], "tool": message["tool_id"]}}
        if message["tool_id"].endswith(".fail"):
            answer = {"id": message["id"], "ok": False, "error": {"code": "tool_failed", "message": "it always fails"}}
        try:
            self.send(b"A", answer)
        except OSError:
            pass  # the program is over


def run(code: str, docker: bool = False, options: Sequence[str] = (), **changes: Any) -> Result:
    with Rig(docker=docker, options=options) as rig:
        rig.send_job(code, **changes)
        return rig.follow()


def run_and_stop(code: str, sign: str = "ready", trace: bool = False, grace_ms: int = 200) -> Result:
    """Stops the program once it has written `sign` to stdout."""
    with Rig() as rig:
        seen = bytearray()
        asked = False

        def on_frame(kind: str, payload: bytes) -> None:
            nonlocal asked
            if kind == "O" and not asked:
                seen.extend(payload)
                if sign.encode() in seen:
                    asked = True
                    rig.stop(trace, grace_ms)

        rig.send_job(code)
        return rig.follow(on_frame)


def is_gone(pid: int) -> bool:
    """Ended, though perhaps not yet reaped by whoever adopted it."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except OSError:
        return True


def own_pids(text: str) -> list[int]:
    return [int(word) for word in text.split() if word.isdigit() and int(word) != os.getpid()]
