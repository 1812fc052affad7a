# label: Side-effects (no contract)
# timeout: 10
import os
import pathlib

out_path = pathlib.Path(os.environ["OUTPUT_DIR"], f"turn_{os.environ['TURN_ID']}", "files", "hello-iso-runtime.txt")
out_path.parent.mkdir(parents=True, exist_ok=True)
out_path.write_text("hello from iso-runtime")
out_path.with_name("extra-side-effect.txt").write_text("nobody promised this file")
