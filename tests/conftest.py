"""What is built for tests stays in the checkout: `make clean` is rid of it, and a user's own cache sees none of it.

Tests that lack something here are skipped, with the reason; MSGPORT_TEST_ALL=1 makes failures of them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

os.environ.setdefault("MSGPORT_CACHE", str(Path(__file__).parent.parent / "build" / "test-cache"))

# A shell's background job ignores interrupts, and so would the commands that are to be interrupted here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ELSEWHERE = ("../shared/", "takes root", "MSGPORT_SYSDIRS")
"""In the reason of a skip when no installation helps: recordings and source of kernels, what only root may do."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Take no skip for a pass where everything is meant to be here."""
    report = yield
    if report.skipped and os.environ.get("MSGPORT_TEST_ALL"):
        reason = str(call.excinfo.value) if call.excinfo else ""
        if not any(word in reason for word in ELSEWHERE):
            report.outcome = "failed"
            report.longrepr = f"skipped, though MSGPORT_TEST_ALL says that everything is here: {reason}"
    return report
