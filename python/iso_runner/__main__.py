"""Entry: `python -I -X utf8 <dir>/iso_runner [--fd N] [--filter BASE64]`.

Parent: the supervisor. Forked child: unwinds to here and runs the program, with nothing of the supervisor on its stack.
"""

import os
import sys

if __name__ == "__main__":
    _package = os.path.dirname(os.path.abspath(__file__))
    # Running a directory puts it on sys.path, also under -I; the package must not stay importable from there.
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != _package]
    sys.path.insert(0, os.path.dirname(_package))
    try:
        from iso_runner.supervisor import supervise
    finally:
        sys.path.pop(0)
    _launch = supervise(sys.argv[1:])
    if _launch is None:
        os._exit(0)
    from iso_runner.program import run_program  # imported by the supervisor already

    run_program(_launch)
