"""Tool calls: each is made when it is first awaited, sent as one message, and answered in the event loop that waits for it."""

from __future__ import annotations

import collections.abc
import itertools
import json
import os
import sys
import threading
import weakref
from typing import Any, NamedTuple, Optional

from .channel import ProgramChannel
from .clip import clip
from .frames import MAX_PAYLOAD_BYTES

# The host takes 64 levels in all; a message has two around each parameter.
MAX_PARAM_DEPTH = 60
# The host's numbers are doubles.
MAX_SAFE_INTEGER = 2**53 - 1
MAX_TOOL_ID_UNITS = 256
# Of one call, at all levels; the message has a few around them.
MAX_NAMED_VALUES = 99_000

# Made once: json.dumps makes an encoder for each value that is not to be written in its usual way.
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_decode = json.JSONDecoder().decode

Params = collections.abc.Mapping[str, Any]


class ToolError(Exception):
    """A tool call failed: `code` is one word for programs, `message` a sentence for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


# The snippet knows it as a global of its own, which is also how it is printed and pickled.
ToolError.__module__ = "__main__"


class _Request(NamedTuple):
    call_id: str
    tool_id: str
    payload: bytes


class Broker:
    """Sends calls and hands each answer to the event loop that waits for it; one thread reads, started by the first call."""

    def __init__(self, channel: ProgramChannel, main_path: str) -> None:
        self._channel = channel
        self._main_path = main_path
        self._lock = threading.Lock()
        self._waiting: dict[str, tuple[Any, Any]] = {}
        self._reader: Optional[threading.Thread] = None
        self._closed = False
        self._ids = itertools.count(1)
        self._prefix = os.urandom(16).hex()
        self._unstarted: weakref.WeakSet[Call] = weakref.WeakSet()

    def call(self, tool_id: str, params: Params, reason: Optional[str], error: Optional[ToolError]) -> Call:
        """A call not yet made. What is wrong with it is raised where it is awaited, so that `gather` keeps its siblings."""
        payload = b""
        call_id = f"{self._prefix}-{next(self._ids)}"
        if error is None:
            try:
                payload = _encode_call(call_id, tool_id, params, reason)
            except ToolError as wrong:
                error = wrong
        call = Call(self, _Request(call_id, tool_id, payload), error, self._snippet_line())
        self._unstarted.add(call)
        return call

    def started(self, call: Call) -> None:
        self._unstarted.discard(call)

    def warn_unstarted(self) -> None:
        """Names every call that was made and never awaited, for those still alive when user code is over."""
        for call in list(self._unstarted):
            call.warn()

    async def perform(self, request: _Request) -> Any:
        import asyncio

        call_id = request.call_id
        if not self._channel.is_ours():
            raise ToolError("tool_not_allowed", "a tool can be called by the program itself only, not by a child process")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Params] = loop.create_future()
        with self._lock:
            if self._closed:
                raise ToolError("tool_cancelled", "the channel for tool calls is closed")
            self._waiting[call_id] = (loop, future)
            self._start_reader()
        try:
            self._channel.send_message(request.payload)
        except OSError as error:
            with self._lock:
                self._waiting.pop(call_id, None)
            raise ToolError("tool_cancelled", f"the channel for tool calls is closed: {error.strerror}") from None
        try:
            answer = await future
        except asyncio.CancelledError:
            self._give_up(call_id)
            raise
        finally:
            with self._lock:
                self._waiting.pop(call_id, None)
        if answer.get("ok") is True:
            return answer.get("ret")
        failure = answer.get("error") or {}
        raise ToolError(str(failure.get("code", "tool_failed")), str(failure.get("message", "the tool failed")))

    def _give_up(self, call_id: str) -> None:
        """Tells the host that nobody waits for this call any more; until it knows, the run's deadline stands still."""
        try:
            self._channel.send(b"C", {"t": "cancel", "id": call_id})
        except OSError:
            pass  # the channel is closed, and with it every call

    def warn(self, tool_id: str, line: Optional[int]) -> None:
        if not self._channel.is_ours():
            return
        message = f"tool call {tool_id} was never awaited: it was not made"
        where = self._main_path if line is None else f"{self._main_path}:{line}"
        try:
            sys.stderr.write(f"{where}: RuntimeWarning: {message}\n")
        except Exception:  # noqa: BLE001 - a stream the snippet closed; the message below still goes out
            pass
        try:
            self._channel.send(b"C", {"t": "warning", "message": message, "line": line})
        except OSError:
            pass

    def _start_reader(self) -> None:
        if self._reader is None:
            self._reader = threading.Thread(target=self._read_answers, name="iso-tools", daemon=True)
            self._reader.start()

    def _read_answers(self) -> None:
        try:
            frame = self._channel.receive()
            while frame is not None:
                answer = _decode(frame.payload.decode())
                with self._lock:
                    waiter = self._waiting.pop(answer["id"], None)
                if waiter is not None:
                    _resolve(waiter, answer)
                frame = self._channel.receive()
        finally:
            gone = {"error": {"code": "tool_cancelled", "message": "the channel for tool calls is closed"}}
            with self._lock:
                self._closed = True
                waiters = list(self._waiting.values())
                self._waiting.clear()
            for waiter in waiters:
                _resolve(waiter, gone)

    def _snippet_line(self) -> Optional[int]:
        frame = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_filename == self._main_path:
                return frame.f_lineno
            frame = frame.f_back  # type: ignore[assignment]
        return None


def _resolve(waiter: tuple[Any, Any], answer: Params) -> None:
    loop, future = waiter

    def settle() -> None:
        if not future.done():
            future.set_result(answer)

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:
        pass  # that loop is closed: nobody waits any more


class Call(collections.abc.Coroutine):  # type: ignore[type-arg]
    """A call of a tool. It behaves as a coroutine (await, gather, create_task, asyncio.run) and is made when first awaited."""

    def __init__(self, broker: Broker, request: _Request, error: Optional[ToolError], line: Optional[int]) -> None:
        self._broker = broker
        self._request = request
        self._tool_id = request.tool_id
        self._error = error
        self._line = line
        self._inner: Optional[collections.abc.Coroutine[Any, Any, Any]] = None
        self._settled = False  # awaited, closed or warned of

    def __repr__(self) -> str:
        return f"<call of tool {self._tool_id}>"

    def __await__(self) -> collections.abc.Generator[Any, None, Any]:
        return self._start().__await__()

    def send(self, value: Any) -> Any:
        return self._start_once().send(value)

    def throw(self, *error: Any) -> Any:
        return self._start_once().throw(*error)

    def close(self) -> None:
        self._settled = True
        self._broker.started(self)
        if self._inner is not None:
            self._inner.close()

    def warn(self) -> None:
        if not self._settled:
            self._settled = True
            self._broker.warn(self._tool_id, self._line)

    def __del__(self) -> None:
        self.warn()

    def _start_once(self) -> collections.abc.Coroutine[Any, Any, Any]:
        return self._start() if self._inner is None else self._inner

    def _start(self) -> collections.abc.Coroutine[Any, Any, Any]:
        if self._inner is not None or self._settled:
            raise RuntimeError(f"this call of {self._tool_id} was awaited before; call the tool again")
        self._settled = True
        self._broker.started(self)
        self._inner = self._perform()
        return self._inner

    async def _perform(self) -> Any:
        if self._error is not None:
            raise self._error
        return await self._broker.perform(self._request)


def _encode_call(call_id: str, tool_id: str, params: Params, reason: Optional[str]) -> bytes:
    if len(tool_id) > MAX_TOOL_ID_UNITS or clip(tool_id, MAX_TOOL_ID_UNITS) != tool_id:
        raise ToolError("unknown_tool", f"a tool id has at most {MAX_TOOL_ID_UNITS} characters")
    parts = []
    named = 0
    for key, value in params.items():
        if not isinstance(key, str):
            raise ToolError("invalid_params", f"the name of a parameter must be a string, not {key!r}")
        parts.append(_encode(key) + ":" + _encode_value(tool_id, key, value))
        named += 1 + _named_values(value)
    if named > MAX_NAMED_VALUES:
        raise ToolError(
            "call_too_large",
            f"the call of {tool_id} has {named} named values, {MAX_NAMED_VALUES} are allowed; send text, or a file",
        )
    head = f'{{"t":"call","id":"{call_id}","tool_id":{_encode(tool_id)},"reason":{_encode(reason)},"params":{{'
    payload = (head + ",".join(parts) + "}}").encode("ascii")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ToolError("call_too_large", f"the call of {tool_id} has {len(payload)} bytes, {MAX_PAYLOAD_BYTES} are allowed")
    return payload


def _encode_value(tool_id: str, key: str, value: Any) -> str:
    try:
        text = _encode(value)
    except RecursionError:
        text = None
    except (TypeError, ValueError) as error:
        raise ToolError("invalid_params", f"parameter '{key}' of {tool_id} cannot be sent as JSON: {error}") from None
    wrong = f"is nested more than {MAX_PARAM_DEPTH} levels deep" if text is None else _loss(value)
    if text is None or wrong is not None:
        raise ToolError("invalid_params", f"parameter '{key}' of {tool_id} {wrong}")
    return text


def _named_values(value: Any) -> int:
    queue, found = [value], 0
    while queue:
        item = queue.pop()
        if isinstance(item, dict):
            found += len(item)
            queue += item.values()
        elif isinstance(item, (list, tuple)):
            queue += item
    return found


def _loss(value: Any) -> Optional[str]:
    """What the host could not take as it is; None where it can take all of it."""
    queue = [(value, 1)]
    while queue:
        item, level = queue.pop()
        if isinstance(item, (dict, list, tuple)):
            if level > MAX_PARAM_DEPTH:
                return f"is nested more than {MAX_PARAM_DEPTH} levels deep"
            queue += [(child, level + 1) for child in (item.values() if isinstance(item, dict) else item)]
        elif isinstance(item, int) and abs(item) > MAX_SAFE_INTEGER:
            return "holds an integer beyond 2**53, which would arrive as another number; send it as a string"
    return None
