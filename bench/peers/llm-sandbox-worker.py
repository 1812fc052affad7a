"""llm-sandbox in a process of its own: one session, and for each line of JSON that comes in a program is run in it."""

import json
import sys


def main() -> None:
    from llm_sandbox import SandboxBackend, SandboxSession

    backend, image = sys.argv[1:]
    # An image's own entry point may end at once, and the session's is to wait.
    waiting = {"entrypoint": ["sleep", "infinity"], "network_mode": "none", "user": "root"}
    options = {"image": image, "runtime_configs": waiting} if backend == "docker" else {}
    session = SandboxSession(backend=SandboxBackend(backend), lang="python", skip_environment_setup=True, **options)
    try:
        session.open()
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
        return
    try:
        print("{}", flush=True)
        for line in sys.stdin:
            result = session.run(json.loads(line))
            answer = {"stdout": result.stdout} if result.exit_code == 0 else {"error": result.stderr or "exit code not 0"}
            print(json.dumps(answer), flush=True)
    finally:
        session.close()


main()
