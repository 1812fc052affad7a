# label: Program timeout (sleep)
# timeout: 3
# contract: turn_{turn}/files/hello-iso-runtime.txt = a greeting from the sandbox
import os
import pathlib
import time

out_path = pathlib.Path(os.environ["OUTPUT_DIR"], f"turn_{os.environ['TURN_ID']}", "files", "hello-iso-runtime.txt")
out_path.parent.mkdir(parents=True, exist_ok=True)
print("sleeping...")
time.sleep(999)
