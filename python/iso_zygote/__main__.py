"""Entry: `python -I -X utf8 <dir>/iso_zygote [once]`, the control socket at descriptor 3.

Launcher: serves until the host closes; with `once` a single program, which loads by itself what it uses.
A forked program unwinds to here and runs with nothing of the launcher on its stack.
"""

import json
import os
import sys

_CONTROL = 3
_ONCE = sys.argv[1:] == ["once"]

if __name__ == "__main__":
    _package = os.path.dirname(os.path.abspath(__file__))
    # As in iso_runner: the folder that holds both packages is on the path while they are loaded, and not afterwards.
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != _package]
    sys.path.insert(0, os.path.dirname(_package))
    try:
        from iso_zygote.preimport import Refused, load_library

        if not _ONCE:
            load_library()

        import iso_runner.program
        from iso_zygote.launcher import Launcher
    finally:
        sys.path.pop(0)
    _self = os.getpid()
    try:
        _launch = Launcher(_CONTROL, _ONCE).run()
    except Exception as _error:
        if os.getpid() != _self:
            raise
        _kind = "refusedImport" if isinstance(_error, Refused) else "failed"
        _text = str(_error) if isinstance(_error, Refused) else f"{type(_error).__name__}: {_error}"
        os.write(_CONTROL, json.dumps({_kind: _text[:2000]}).encode() + b"\n")
        os._exit(70)
    if _launch is None:
        os._exit(0)
    iso_runner.program.run_program(_launch)
