"""Loads what every program shall find loaded, and refuses what cannot be forked: a process with a second thread."""

from __future__ import annotations

import gc
import importlib
import os
from collections.abc import Sequence

from iso_runner.library import PRELOAD, leave_openssl_whole

from .holes import fill_holes


class Refused(Exception):
    """A module of the profile's `preimports`, and why it cannot be loaded ahead."""


def load_library() -> None:
    """Before the runner and the launcher themselves: theirs is what every fork uses, and after this it comes to lie together. The
    other way round a sandbox copies fifty pages more."""
    leave_openssl_whole()
    for name in PRELOAD:
        importlib.import_module(name)
    fill_holes()


def load(names: Sequence[str], for_one: bool) -> None:
    """Once, before anything is forked. Raises Refused, which names the module. What makes each fork cheaper is left out where
    there is one: it takes longer than it saves."""
    from iso_runner.program import prepare
    from iso_runner.shutdown import note_modules

    for name in names:
        try:
            importlib.import_module(name)
        except BaseException as error:
            raise Refused(f"`import {name}` failed: {type(error).__name__}: {error}"[:1000]) from error
        threads = len(os.listdir("/proc/self/task"))
        if threads > 1:
            left = "a thread" if threads == 2 else f"{threads - 1} threads"
            raise Refused(f"`import {name}` leaves {left} running, and a process with threads cannot be forked safely")
    prepare()
    if for_one:
        note_modules()
    else:
        # Loaded before they are noted: a program takes to pieces what it finds beside those.
        from iso_runner.rehearsal import rehearse

        note_modules()
        rehearse()
        fill_holes()
    gc.freeze()
