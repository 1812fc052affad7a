# label: Program partial success
# timeout: 10
# contract: turn_{turn}/files/hello-iso-runtime.txt = a greeting from the sandbox
# contract: turn_{turn}/files/missing-output.txt = a file this snippet does not write
import os
import pathlib

out_path = pathlib.Path(os.environ["OUTPUT_DIR"], f"turn_{os.environ['TURN_ID']}", "files", "hello-iso-runtime.txt")
out_path.parent.mkdir(parents=True, exist_ok=True)
out_path.write_text("hello from iso-runtime")
