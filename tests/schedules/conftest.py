from __future__ import annotations

from collections.abc import Iterator

import pytest

from msgport_vm.controlled import ControlledMachine
from msgport_vm.machine import MachineError
from msgport_vm.userland import find_compiler


@pytest.fixture(scope="session")
def controlled() -> Iterator[ControlledMachine]:
    try:
        find_compiler()
    except MachineError as error:
        pytest.skip(str(error))
    with ControlledMachine() as machine:
        machine.boot()
        yield machine
