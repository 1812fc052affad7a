# label: Happy path (writes file + note)
# timeout: 10
# contract: turn_{turn}/files/hello-iso-runtime.txt = a greeting from the sandbox
import os
import pathlib

out_path = pathlib.Path(os.environ["OUTPUT_DIR"], f"turn_{os.environ['TURN_ID']}", "files", "hello-iso-runtime.txt")
out_path.parent.mkdir(parents=True, exist_ok=True)
out_path.write_text("hello from iso-runtime")
note = await agent_io_tools.tool_call(
    fn=local_tools.write_note,
    params={"text": "note from iso-runtime"},
    call_reason="Write a simple note file",
    tool_id="local_tools.write_note",
)
print("wrote", out_path.name, "and", note["path"])
