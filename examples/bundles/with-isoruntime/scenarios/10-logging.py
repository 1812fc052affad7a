# label: Program logging INFO+ERROR
# timeout: 10
# contract: turn_{turn}/files/hello-iso-runtime.txt = a greeting from the sandbox
import logging
import os
import pathlib

out_path = pathlib.Path(os.environ["OUTPUT_DIR"], f"turn_{os.environ['TURN_ID']}", "files", "hello-iso-runtime.txt")
out_path.parent.mkdir(parents=True, exist_ok=True)
log = logging.getLogger("user")
out_path.write_text("hello from iso-runtime")
log.info("hello from program")
log.error("simulated error in the log")
