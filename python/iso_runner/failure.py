"""An uncaught exception in the words of the program: traceback without our own frames, type, message, errno."""

from __future__ import annotations

import errno
import os
import sys
import traceback
import types
from collections.abc import Callable
from typing import Any, Optional

from .clip import clip, clip_middle

TYPE_UNITS = 512
MESSAGE_UNITS = 60_000
TRACEBACK_UNITS = 200_000

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep

# Taken while nobody can have replaced it: a snippet may leave a stand-in in its place.
_format_exception = traceback.format_exception

# As CPython finds them, whatever attributes the snippet's own class pretends to have.
_OWN = BaseException.__dict__


def trim(error: BaseException, main_path: str) -> None:
    """Takes the runner's frames out of the tracebacks of `error`, its causes, contexts and group members."""
    queue: list[Optional[BaseException]] = [error]
    seen: set[int] = set()
    while queue:
        item = queue.pop()
        if item is None or id(item) in seen:
            continue
        seen.add(id(item))
        _OWN["__traceback__"].__set__(item, _without_runner(_traceback_of(item), main_path))
        queue += [_OWN["__cause__"].__get__(item), _OWN["__context__"].__get__(item)]
        queue += _members(item)


def _traceback_of(error: BaseException) -> Optional[types.TracebackType]:
    found: Optional[types.TracebackType] = _OWN["__traceback__"].__get__(error)
    return found


def _members(error: BaseException) -> list[BaseException]:
    """Of an exception group."""
    members = _ask(lambda: getattr(error, "exceptions", None), None)
    return [member for member in members if isinstance(member, BaseException)] if isinstance(members, tuple) else []


def _without_runner(first: Optional[types.TracebackType], main_path: str) -> Optional[types.TracebackType]:
    entries = []
    entry = first
    while entry is not None:
        entries.append(entry)
        entry = entry.tb_next
    ours = [_is_ours(entry.tb_frame) for entry in entries]
    if not any(ours):
        return first
    # In front of the snippet's first frame stand our own and, where it has a loop, asyncio's.
    start = next((i for i, entry in enumerate(entries) if entry.tb_frame.f_code.co_filename == main_path), 0)
    if not ours[0]:
        start = 0
    kept: Optional[types.TracebackType] = None
    for entry, is_ours in reversed(list(zip(entries[start:], ours[start:]))):
        if not is_ours:
            kept = types.TracebackType(kept, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return kept


def _is_ours(frame: types.FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_PACKAGE)


def format_error(error: BaseException) -> str:
    try:
        lines = _format_exception(type(error), error, _traceback_of(error))
    except BaseException:  # noqa: BLE001
        # A class of the snippet's own that cannot be printed, a chain of thousands of exceptions (before Python 3.11), no memory
        # or no descriptor left for the whole story.
        lines = _format_plainly(error)
    return clip_middle("".join(lines), TRACEBACK_UNITS)


def _format_plainly(error: BaseException) -> list[str]:
    """Without causes and source lines, and without needing anything."""
    entries: list[str] = []
    entry = _traceback_of(error)
    while entry is not None and len(entries) < 1000:
        code = entry.tb_frame.f_code
        entries.append(f'  File "{code.co_filename}", line {entry.tb_lineno}, in {code.co_name}\n')
        entry = entry.tb_next
    header = ["Traceback (most recent call last):\n"] if entries else []
    return [*header, *entries, f"{_type_name(type(error))}: {_message(error)}\n"]


def describe(error: BaseException, text: str) -> dict[str, Any]:
    """The `exception` message of the protocol."""
    return {
        "t": "exception",
        "type": clip(_type_name(type(error)), TYPE_UNITS),
        "message": clip_middle(_message(error), MESSAGE_UNITS),
        "traceback": text,
        "errno": _errno_name(error),
    }


def _ask(question: Callable[[], Any], otherwise: Any) -> Any:
    """What an exception says of itself; a class of the snippet's own may do anything where it is asked, end the program too."""
    try:
        return question()
    except BaseException:  # noqa: BLE001
        return otherwise


def _type_name(kind: type[BaseException]) -> str:
    module = _ask(lambda: kind.__module__, None)
    name = str(_ask(lambda: kind.__qualname__, "<exception type without a name>"))
    return name if not isinstance(module, str) or module in ("builtins", "__main__") else f"{module}.{name}"


def _message(error: BaseException) -> str:
    def say() -> str:
        if isinstance(error, SyntaxError) and error.lineno is not None:
            return f"{error.msg} (line {error.lineno})"
        return str(error)

    return str(_ask(say, "<exception str() failed>"))


def _errno_name(error: BaseException) -> Optional[str]:
    """The refusal behind an exception, for the host to match with a limit."""
    # isinstance would ask the snippet's class.
    kind = type(error)
    if issubclass(kind, MemoryError):
        return "ENOMEM"
    if issubclass(kind, OSError):
        number = _ask(lambda: error.errno, None)  # type: ignore[attr-defined]
        return errno.errorcode.get(number) if isinstance(number, int) else None
    if issubclass(kind, RuntimeError) and _message(error) == "can't start new thread":
        return "EAGAIN"
    return None


def print_error(error: BaseException, text: str) -> None:
    """Says it on stderr as CPython would; a hook of the snippet's own has precedence."""
    hook = getattr(sys, "excepthook", sys.__excepthook__)
    if hook is not sys.__excepthook__:
        try:
            hook(type(error), error, _traceback_of(error))
            return
        except SystemExit:
            raise
        except BaseException as second:  # noqa: BLE001 - as CPython: both are shown
            second.__traceback__ = second.__traceback__.tb_next if second.__traceback__ else None
            text = f"Error in sys.excepthook:\n{format_error(second)}\nOriginal exception was:\n{text}"
    stream = sys.stderr
    if stream is None:
        return
    for written in (sys.stdout, stream):
        try:
            written.flush()
        except BaseException:  # noqa: BLE001 - a stream the snippet closed or replaced
            pass
    try:
        stream.write(text)
        stream.flush()
    except BaseException:  # noqa: BLE001
        _write_raw(text)


def _write_raw(text: str) -> None:
    try:
        os.write(2, text.encode("utf-8", "backslashreplace"))
    except OSError:
        pass
