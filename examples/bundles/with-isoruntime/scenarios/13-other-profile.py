# label: Other profile
# timeout: 180
# contract: turn_{turn}/files/hello-iso-runtime.txt = a greeting from the sandbox
# profile: docker
import os
import pathlib
import platform

out_path = pathlib.Path(os.environ["OUTPUT_DIR"], f"turn_{os.environ['TURN_ID']}", "files", "hello-iso-runtime.txt")
out_path.parent.mkdir(parents=True, exist_ok=True)
out_path.write_text("hello from iso-runtime")
print("Python", platform.python_version(), "under another profile")
