"""Makes the runner's modules importable for tests that need no supervisor."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from iso_runner import clip, failure, frames

__all__ = ["clip", "failure", "frames"]
