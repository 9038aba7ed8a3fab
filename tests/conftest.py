"""What is built for tests stays in the checkout: `make clean` is rid of it, and a user's own cache sees none of it."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("MSGPORT_CACHE", str(Path(__file__).parent.parent / "build" / "test-cache"))
