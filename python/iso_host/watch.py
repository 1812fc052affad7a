"""Tells what changed in trees of folders, by the kernel's own notifications (inotify), so that nobody has to look at all of them.

Host side only; reads nothing but its stdin. A request and its answer are a four-byte big-endian length and JSON, in which
paths are latin1 for bytes. Requests: `{"do": "watch", "key", "path", "only": [path], "opens": true}` ("only" may be left out;
"opens": whether files that are merely opened matter), `{"do": "add", "key", "below": [path]}`, `{"do": "take", "key"}` and
`{"do": "forget", "key"}`. An answer is `{"ok": true}` or `{"ok": false}`, for `take` with what happened since the last one:
"changed" and "opened", entries that are other than they were, and files that were opened; "removed", those that were removed or
moved at some time; "made", folders that were made or moved, whose insides are not watched; "altered", folders that were given
other attributes. "ok" is false where that is not known: the key has no watch, the queue overflowed, the file system may be
changed by another kernel. Ends when stdin does.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import struct
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO, Optional

IN_MODIFY, IN_ATTRIB, IN_CLOSE_WRITE, IN_OPEN = 0x2, 0x4, 0x8, 0x20
IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x40, 0x80, 0x100, 0x200
IN_UNMOUNT, IN_Q_OVERFLOW, IN_IGNORED = 0x2000, 0x4000, 0x8000
IN_ONLYDIR, IN_ISDIR = 0x01000000, 0x40000000
IN_NONBLOCK, IN_CLOEXEC = 0o4000, 0o2000000
CHANGES = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE
# ext4, xfs, btrfs, tmpfs, overlayfs, f2fs, zfs: this kernel alone changes what they hold.
LOCAL = {0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0x794C7630, 0xF2F52010, 0x2FC12FC1}
KINDS = ("changed", "opened", "removed", "made", "altered")
OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
EVENT = struct.Struct("iIII")
MAX_REQUEST_BYTES = 64 << 20

_libc = ctypes.CDLL(None, use_errno=True)


class Tree:
    """One watched tree, and what happened in it since somebody asked."""

    def __init__(self, root: int, opens: bool) -> None:
        # A descriptor: the tree may get another path.
        self.root = root
        self.mask = CHANGES | IN_ONLYDIR | (IN_OPEN if opens else 0)
        self.folders: dict[bytes, int] = {}
        self.found: dict[str, set[bytes]] = {name: set() for name in KINDS}
        self.known = True


class Watches:
    def __init__(self) -> None:
        self.fd = _libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self.trees: dict[str, Tree] = {}
        self.folder_of: dict[int, tuple[Tree, bytes]] = {}

    def watch(self, key: str, root: bytes, only: Optional[list[bytes]], opens: bool) -> bool:
        self.forget(key)
        if file_system(root) not in LOCAL:
            return False
        tree = Tree(os.open(root, OPEN_FOLDER), opens)
        self.trees[key] = tree
        if self.add(key, [b""] if only is None else only, deep=only is None):
            return True
        self.forget(key)
        return False

    def add(self, key: str, below: list[bytes], deep: bool = True) -> bool:
        tree = self.trees.get(key)
        if tree is None:
            return False
        try:
            for path in below:
                # A folder that was made may be gone by now; its removal was told of by the one above.
                for folder, fd in folders(tree.root, path, deep):
                    wd = _libc.inotify_add_watch(self.fd, b"/proc/self/fd/%d" % fd, tree.mask)
                    if wd < 0:
                        raise OSError(ctypes.get_errno(), "inotify_add_watch")
                    tree.folders[folder] = wd
                    self.folder_of[wd] = (tree, folder)
        except OSError:
            tree.known = False
        return tree.known

    def take(self, key: str) -> dict[str, Any]:
        self.drain()
        tree = self.trees.get(key)
        if tree is None or not tree.known:
            return {"ok": False}
        found = {name: [path.decode("latin1") for path in paths] for name, paths in tree.found.items()}
        for paths in tree.found.values():
            paths.clear()
        return {"ok": True, **found}

    def forget(self, key: str) -> bool:
        tree = self.trees.pop(key, None)
        for wd in tree.folders.values() if tree else ():
            if self.folder_of.get(wd, (None, b""))[0] is tree:
                del self.folder_of[wd]
                _libc.inotify_rm_watch(self.fd, wd)
        if tree:
            os.close(tree.root)
        return tree is not None

    def drain(self) -> None:
        while True:
            try:
                events = os.read(self.fd, 1 << 20)
            except BlockingIOError:
                return
            at = 0
            while at < len(events):
                wd, mask, _, length = EVENT.unpack_from(events, at)
                at += EVENT.size + length
                self.note(wd, mask, events[at - length : at].rstrip(b"\0"))

    def note(self, wd: int, mask: int, name: bytes) -> None:
        if mask & IN_Q_OVERFLOW:
            for tree in self.trees.values():
                tree.known = False
            return
        if wd not in self.folder_of:
            return
        tree, folder = self.folder_of[wd]
        if mask & IN_UNMOUNT:
            tree.known = False
        if mask & IN_IGNORED:
            # Its removal was told of by the folder above.
            del self.folder_of[wd]
            if tree.folders.get(folder) == wd:
                del tree.folders[folder]
            return
        path = b"/".join(part for part in (folder, name) if part)
        found = tree.found
        if mask & IN_ISDIR or not name:
            # A look into a folder is no change. One that is moved takes its watches along: they tell of another path then.
            if mask & (IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO):
                found["made"].add(path)
            elif mask & IN_ATTRIB:
                found["altered"].add(path)
            elif mask & IN_DELETE:
                found["removed"].add(path)
                found["changed"].add(path)
            return
        if mask & (IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO):
            found["removed"].add(path)
        found["changed" if mask & CHANGES else "opened"].add(path)


def folders(root: int, below: bytes, deep: bool) -> Iterator[tuple[bytes, int]]:
    """Each folder at and below `below` with a descriptor of it, opened beneath the one above and never through a link."""
    fd = os.open(b".", OPEN_FOLDER, dir_fd=root)
    for name in below.split(b"/") if below else ():
        try:
            fd = enter(fd, name)
        except (FileNotFoundError, NotADirectoryError):
            return
    stack = [(below, fd)]
    try:
        while stack:
            path, fd = stack.pop()
            try:
                yield path, fd
                if not deep:
                    continue
                with os.scandir(fd) as entries:
                    names = [os.fsencode(entry.name) for entry in entries if entry.is_dir(follow_symlinks=False)]
                for name in names:
                    stack.append((b"/".join(part for part in (path, name) if part), enter(os.dup(fd), name)))
            finally:
                os.close(fd)
    finally:
        for _, fd in stack:
            os.close(fd)


def enter(fd: int, name: bytes) -> int:
    try:
        return os.open(name, OPEN_FOLDER, dir_fd=fd)
    finally:
        os.close(fd)


def file_system(path: bytes) -> int:
    buffer = (ctypes.c_long * 32)()
    return 0 if _libc.statfs(path, buffer) else int(buffer[0]) & 0xFFFFFFFF


def answer(watches: Watches, request: dict[str, Any]) -> dict[str, Any]:
    do, key = request["do"], request["key"]
    if do == "watch":
        only = [path.encode("latin1") for path in request["only"]] if "only" in request else None
        return {"ok": watches.watch(key, request["path"].encode("latin1"), only, request["opens"])}
    if do == "add":
        return {"ok": watches.add(key, [path.encode("latin1") for path in request["below"]])}
    if do == "forget":
        return {"ok": watches.forget(key)}
    return watches.take(key)


class Requests:
    """Reads requests, and while none is there whatever the kernel tells: its queue is short, and one commit may be more."""

    def __init__(self, fd: int, watches: Watches) -> None:
        self.fd = fd
        self.watches = watches
        self.unread = b""
        self.poll = select.poll()
        self.poll.register(fd, select.POLLIN)
        self.poll.register(watches.fd, select.POLLIN)

    def next(self) -> Optional[bytes]:
        """None at the end of the stream, and for a request that nobody makes."""
        head = self.exactly(4)
        if head is None:
            return None
        (length,) = struct.unpack(">I", head)
        return self.exactly(length) if length <= MAX_REQUEST_BYTES else None

    def exactly(self, length: int) -> Optional[bytes]:
        while len(self.unread) < length:
            ready = [fd for fd, _ in self.poll.poll()]
            if self.watches.fd in ready:
                self.watches.drain()
            if self.fd in ready:
                chunk = os.read(self.fd, 1 << 20)
                if not chunk:
                    return None
                self.unread += chunk
        data, self.unread = self.unread[:length], self.unread[length:]
        return data


def serve(requests: Requests, answers: BinaryIO, watches: Watches) -> None:
    while True:
        body = requests.next()
        if body is None:
            return
        try:
            said = answer(watches, json.loads(body))
        except (KeyError, ValueError, OSError):
            said = {"ok": False}
        reply = json.dumps(said).encode()
        answers.write(struct.pack(">I", len(reply)) + reply)
        answers.flush()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    _watches = Watches()
    serve(Requests(sys.stdin.fileno(), _watches), sys.stdout.buffer, _watches)
