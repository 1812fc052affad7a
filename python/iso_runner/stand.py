"""Tells where the program stands when the supervisor asks: faulthandler the threads, at once, then we the tasks that wait in the main thread's loop."""

from __future__ import annotations

import faulthandler
import signal
import sys
from collections.abc import Iterator
from typing import Any, Optional

from .descriptor import Descriptor

MAX_TASKS = 50
MAX_FRAMES = 100
MAX_NAME_CHARACTERS = 100
# Where a coroutine, a generator and an asynchronous generator keep their frame, and what they wait for.
_FRAME_AND_NEXT = (("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await"))


def tell_on_signal(number: int, fd: int) -> None:
    descriptor = Descriptor(fd)

    def tell_tasks(_number: int, _frame: Any) -> None:
        try:
            for text in _waiting_tasks():
                descriptor.write(text.encode("utf-8", "backslashreplace"))
        except Exception:  # noqa: BLE001 - whatever the snippet made of its tasks, it must not fail of this
            pass

    # A thread that waits in C code answers only by faulthandler, which calls the handler that was there before.
    signal.signal(number, tell_tasks)
    faulthandler.register(number, file=fd, all_threads=True, chain=True)


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
        for frame_name, next_name in _FRAME_AND_NEXT:
            frame = getattr(awaitable, frame_name, None)
            if frame is not None:
                break
        else:
            return
        code = frame.f_code
        yield f'  File "{code.co_filename}", line {frame.f_lineno} in {code.co_name}'
        awaitable = getattr(awaitable, next_name)
