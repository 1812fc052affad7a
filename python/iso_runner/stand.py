"""Tells where the program stands when the supervisor asks: faulthandler the threads, then we the tasks of the main loop."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from faulthandler import register
from typing import Any, NamedTuple, Optional

from .descriptor import Descriptor
from .kernel import set_handler

MAX_TASKS = 50
MAX_FRAMES = 100
MAX_NAME_CHARACTERS = 100


class _Kind(NamedTuple):
    """Of awaitables: under which names they keep their frame, and what they wait for."""

    frame: str
    awaited: str


_KINDS = (_Kind("cr_frame", "cr_await"), _Kind("gi_frame", "gi_yieldfrom"), _Kind("ag_frame", "ag_await"))


def tell_on_signal(number: int, fd: int) -> None:
    descriptor = Descriptor(fd)

    def tell_tasks(_number: int, _frame: Any) -> None:
        try:
            for text in _waiting_tasks():
                descriptor.write(text.encode("utf-8", "backslashreplace"))
        except Exception:  # noqa: BLE001 - whatever the snippet made of its tasks, it must not fail of this
            pass

    # A thread that waits in C code answers only by faulthandler, which calls the handler that was there before.
    set_handler(number, tell_tasks)
    register(number, file=fd, all_threads=True, chain=True)


def _waiting_tasks() -> Iterator[str]:
    """The tasks of this thread's loop but the one that runs, which the thread's own stack shows; in faulthandler's form."""
    asyncio = sys.modules.get("asyncio")
    loop = asyncio._get_running_loop() if asyncio is not None else None
    if asyncio is None or loop is None:
        return
    running = asyncio.current_task(loop)
    waiting = [task for task in asyncio.all_tasks(loop) if task is not running]
    # The first ones made are the outermost.
    for task in sorted(waiting, key=lambda task: (len(task.get_name()), task.get_name()))[:MAX_TASKS]:
        frames = list(_frames(task.get_coro()))
        if frames:
            name = ascii(task.get_name())[1:-1][:MAX_NAME_CHARACTERS]
            yield "\n".join([f'Task "{name}" (most recent call first):', *reversed(frames), ""])


def _frames(awaitable: Optional[object]) -> Iterator[str]:
    for _ in range(MAX_FRAMES):
        kind = next((kind for kind in _KINDS if getattr(awaitable, kind.frame, None) is not None), None)
        if kind is None:
            return
        frame = getattr(awaitable, kind.frame)
        yield f'  File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_name}'
        awaitable = getattr(awaitable, kind.awaited)
