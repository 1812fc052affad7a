"""The inside of a sandbox: a supervisor that never runs user code, and the program it forks (docs/runner-protocol.md)."""
