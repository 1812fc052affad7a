# label: Program recursion error
# timeout: 10
# contract: turn_{turn}/files/hello-iso-runtime.txt = a greeting from the sandbox
import os
import pathlib

out_path = pathlib.Path(os.environ["OUTPUT_DIR"], f"turn_{os.environ['TURN_ID']}", "files", "hello-iso-runtime.txt")
out_path.parent.mkdir(parents=True, exist_ok=True)


def recurse(n):
    return recurse(n + 1)


recurse(0)
