"""``python -m msgport`` is ``msgport``."""

import sys

from msgport.cli import main

sys.exit(main())
