"""What a launcher loads before it forks: how it leaves memory and libraries to those that are forked from it."""

import importlib.util
import os
import subprocess
import sys
import unittest
from pathlib import Path

PACKAGES = str(Path(__file__).resolve().parent.parent)

_HOLES = """
import gc
import logging, asyncio, tempfile  # what is loaded leaves holes
gc.disable()
from iso_zygote import holes
holes.fill_holes()
made = [holes._of_size(size) for size in range(16, 513, 16) for _ in range(8)]
apart = sum(abs(id(one) - id(next)) != size for at, size in enumerate(range(16, 513, 16))
            for one, next in zip(made[at * 8 : at * 8 + 8], made[at * 8 + 1 : at * 8 + 8]))
print(apart)
"""
_EXIT = """
import ctypes, os, sys
from iso_runner import library
if sys.argv[1] == "left":
    library.leave_openssl_whole()
import hashlib, ssl
assert hashlib.sha256(b"abc").hexdigest().startswith("ba7816bf")
assert len(ssl.RAND_bytes(16)) == 16
ssl.create_default_context()
pid = os.fork()
if pid == 0:
    ctypes.CDLL(None).exit(0)
print(os.wait4(pid, 0)[2].ru_minflt)
"""
_LEFT = """
import sys
from iso_zygote.preimport import load
from iso_runner import shutdown
load((), sys.argv[1] == "once")
print(len(shutdown.new_modules()) - len(["__main__"]))
"""


def _run(code: str, *arguments: str) -> int:
    environment = {**os.environ, "PYTHONPATH": PACKAGES, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, check=True, env=environment)
    return int(done.stdout)


class Preimport(unittest.TestCase):
    def test_objects_made_afterwards_lie_side_by_side(self) -> None:
        # Of 224 neighbours; where a pool of the interpreter ends another begins elsewhere.
        self.assertLess(_run(_HOLES), 24)

    @unittest.skipIf(importlib.util.find_spec("_hashlib") is None, "this interpreter has no OpenSSL")
    def test_openssl_works_and_is_not_taken_to_pieces_at_exit(self) -> None:
        pages = {how: _run(_EXIT, how) for how in ("left", "as it comes")}
        self.assertLess(pages["left"], pages["as it comes"] - 50)

    def test_a_program_has_no_module_of_ours_to_take_to_pieces(self) -> None:
        for how in ("launcher", "once"):
            self.assertEqual(_run(_LEFT, how), 0, how)


if __name__ == "__main__":
    unittest.main()
