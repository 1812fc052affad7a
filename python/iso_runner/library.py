"""What a program shall find loaded of Python's library. This file needs nothing else of the runner."""

from __future__ import annotations

import ctypes
import importlib.util

# Imported while nobody waits: the program is forked from here and finds them loaded.
PRELOAD = (
    "ctypes",
    "logging",
    "asyncio",
    "multiprocessing",
    "subprocess",
    "datetime",
    "pathlib",
    "random",
    "tempfile",
)
_OPENSSL_INIT_NO_ATEXIT = 0x80000


def leave_openssl_whole() -> None:
    """Before anything loads it: OpenSSL takes itself to pieces at exit, which copies a page for nearly every piece. The kernel
    frees all at once."""
    spec = importlib.util.find_spec("_hashlib")
    if spec is None or spec.origin is None:
        return
    try:
        # Of the very library that it is linked to. The first to initialise it decides.
        ctypes.CDLL(spec.origin).OPENSSL_init_crypto(ctypes.c_uint64(_OPENSSL_INIT_NO_ATEXIT), None)
    except (OSError, AttributeError):
        pass  # built into the interpreter, or another library in its place
