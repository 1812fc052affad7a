"""What the host wants of a launcher and of each sandbox, as the lines on the control socket say it. The host is trusted."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional


class Entry(NamedTuple):
    """One entry of a root, made in order. `kind`: bind, link, dir, tmpfs, proc, devpts, again, cover, slot."""

    kind: str
    # Below the root, with a leading slash.
    at: str
    # Of a bind: a path of the host. Of a link: what it says.
    source: str
    read_only: bool
    # Of a dir or tmpfs, octal.
    mode: int
    # A tmpfs without it takes what the order says; False: no bound.
    bounded: bool


class Plan(NamedTuple):
    # Whether the host writes our maps of ids, as root does for ids that are not ours.
    maps_by_host: bool
    # Where sandboxes' folders are.
    slots: str
    # Made once, shared and read-only.
    template: Sequence[Entry]
    # Made in each sandbox, on top of the template.
    mounts: Sequence[Entry]
    namespaces: frozenset[str]
    read_only_root: bool
    new_session: bool
    drop_capabilities: bool
    limit_namespaces: bool
    forget_environment: bool
    filter: Optional[bytes]
    preimports: Sequence[str]


class Order(NamedTuple):
    """For one sandbox."""

    id: str
    # Of its folder below `slots`.
    folder: str
    # Ids in the launcher's own namespace that the sandbox's user becomes.
    uid: int
    gid: int
    tmpfs_bytes: int
    # Files by which it puts itself into its control group.
    doors: Sequence[str]


def read_plan(given: Mapping[str, Any]) -> Plan:
    encoded = given["filter"]
    return Plan(
        given["mapsByHost"],
        given["slots"],
        [_entry(entry) for entry in given["template"]],
        [_entry(entry) for entry in given["mounts"]],
        frozenset(given["namespaces"]),
        given["readOnlyRoot"],
        given["newSession"],
        given["dropCapabilities"],
        given["limitNamespaces"],
        given["forgetEnvironment"],
        None if encoded is None else base64.b64decode(encoded, validate=True),
        given["preimports"],
    )


def _entry(given: Mapping[str, Any]) -> Entry:
    return Entry(
        given["kind"],
        given["at"],
        given.get("source", ""),
        given.get("readOnly", True),
        int(given.get("mode", "755"), 8),
        given.get("bounded", True),
    )


def read_order(given: Mapping[str, Any]) -> Order:
    return Order(given["id"], given["folder"], given["uid"], given["gid"], given["tmpfsBytes"], given["doors"])
