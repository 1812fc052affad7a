"""Tool proxies: the globals through which a snippet calls functions of the host. The calls themselves are next door."""

from __future__ import annotations

import collections.abc
from typing import Any, Optional

from .calls import Broker, Call, Params, ToolError
from .channel import ProgramChannel
from .clip import clip

MAX_REASON_UNITS = 4096


class Tool:
    """One tool, as `alias.name`."""

    def __init__(self, broker: Broker, alias: str, name: str, params: list[str], doc: str) -> None:
        self._broker = broker
        self._params = params
        self.tool_id = f"{alias}.{name}"
        self.__name__ = name
        self.__qualname__ = self.tool_id
        self.__doc__ = doc

    def __repr__(self) -> str:
        return f"<tool {self.tool_id}({', '.join(self._params)})>"

    def __call__(self, *args: Any, **kwargs: Any) -> Call:
        error = None
        if len(args) > len(self._params):
            error = f"{self.tool_id} takes {len(self._params)} positional arguments, {len(args)} were given"
        names = self._params[: len(args)]
        for name in names:
            if name in kwargs:
                error = f"{self.tool_id} got two values for '{name}'"
        params = {**dict(zip(names, args)), **kwargs}
        return self._broker.call(self.tool_id, params, None, None if error is None else ToolError("invalid_params", error))


class ToolAlias:
    """The global a snippet finds its tools under."""

    def __init__(self, alias: str) -> None:
        self.__dict__["_alias"] = alias

    def __repr__(self) -> str:
        return f"<tools {self._alias}: {', '.join(_tool_names(self)) or 'none'}>"

    def __dir__(self) -> list[str]:
        return _tool_names(self)

    def __getattr__(self, name: str) -> Any:
        known = ", ".join(_tool_names(self)) or "none"
        alias = self.__dict__.get("_alias")
        raise AttributeError(f"there is no tool '{alias}.{name}'; {alias} has: {known}")


def _tool_names(alias: ToolAlias) -> list[str]:
    return sorted(name for name in vars(alias) if name != "_alias")


class ToolCall:
    """`agent_io_tools.tool_call`: any tool by its id, with a reason for the record."""

    __name__ = "tool_call"

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def __repr__(self) -> str:
        return "<tool_call(fn, params, call_reason, tool_id)>"

    def __call__(
        self,
        fn: Any = None,
        params: Optional[Params] = None,
        call_reason: Optional[str] = None,
        tool_id: Optional[str] = None,
    ) -> Call:
        error = _wrong_target(fn, params, tool_id)
        named = tool_id if isinstance(tool_id, str) else getattr(fn, "tool_id", "?")
        reason = None if call_reason is None else clip(str(call_reason), MAX_REASON_UNITS)
        wrong = None if error is None else ToolError("invalid_params", error)
        return self._broker.call(str(named), {} if params is None else params, reason, wrong)


def _wrong_target(fn: Any, params: Any, tool_id: Any) -> Optional[str]:
    if fn is None and tool_id is None:
        return "tool_call needs tool_id='alias.name', or fn=alias.name"
    if tool_id is not None and not isinstance(tool_id, str):
        return f"tool_id must be a string as 'alias.name', not {type(tool_id).__name__}"
    if fn is not None and not isinstance(fn, Tool):
        return f"fn must be a tool as alias.name (without brackets), not {type(fn).__name__}"
    if isinstance(fn, Tool) and tool_id is not None and fn.tool_id != tool_id:
        return f"fn is {fn.tool_id} but tool_id is {tool_id}"
    if params is not None and not isinstance(params, collections.abc.Mapping):
        return f"params must be a dict of the tool's parameters, not {type(params).__name__}"
    return None


def install(namespace: dict[str, Any], table: list[Any], channel: ProgramChannel, main_path: str) -> Broker:
    """Puts the aliases of `table`, `agent_io_tools.tool_call` and ToolError into the snippet's globals."""
    broker = Broker(channel, main_path)
    for entry in table:
        alias = ToolAlias(entry["alias"])
        for tool in entry["tools"]:
            alias.__dict__[tool["name"]] = Tool(broker, entry["alias"], tool["name"], tool["params"], tool["doc"])
        namespace[entry["alias"]] = alias
    namespace.setdefault("agent_io_tools", ToolAlias("agent_io_tools")).__dict__["tool_call"] = ToolCall(broker)
    namespace["ToolError"] = ToolError
    return broker
