"""All faults tried, some at a time, each on the variants that exercise the claims it breaks and then on the rest."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from msgport.check.models import Models
from msgport.selftest.faults import Fault, FaultError, Kind
from msgport.selftest.implementation import FaultyMachine
from msgport.selftest.model import FaultyModel
from msgport.selftest.scheduled import ScheduledMachine
from msgport.selftest.trial import Suspect, Trial
from msgport.selftest.unchanged import Order, Proven, Unchanged
from msgport_vm.machine import MachineError


def try_all(faults: Sequence[Fault], unchanged: Unchanged, order: Order, jobs: int) -> Iterator[Trial]:
    """Try each fault until a variant kills it, ``jobs`` at a time; yield the trials as they end.

    A trial does not depend on which others are made, nor when: each has a machine or a process of its own, and the
    seeds are the same. Raises UncleanError when the unchanged machine is at fault: then nothing counts.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for future in as_completed([pool.submit(_try, fault, unchanged, order, stop) for fault in faults]):
                yield future.result()
        except BaseException:
            # What runs stops after its variant, what waits never starts.
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def by_claims(fault: Fault, catalogue: Sequence[Models]) -> list[Models]:
    """Order variants by how many of the claims that a fault breaks they exercise; among equals by how few others."""

    def rank(models: Models) -> tuple[int, int]:
        claims = models.variant.claims
        return -len(set(fault.claims) & set(claims)), len(claims)

    return sorted(catalogue, key=rank)


def _suspect(fault: Fault, order: Order) -> Suspect:
    if fault.kind is Kind.MODEL:
        return FaultyModel(fault)
    return ScheduledMachine(fault, fault.schedule, order) if fault.schedule else FaultyMachine(fault, order)


def _try(fault: Fault, unchanged: Unchanged, order: Order, stop: threading.Event) -> Trial:
    trial = Trial(fault)
    suspect = _suspect(fault, order)
    start = time.monotonic()

    def proven(models: Models) -> Proven:
        """Prove a variant while the trial's clock stands still."""
        nonlocal start
        trial.seconds += time.monotonic() - start
        variant = unchanged.proven(models)
        start = time.monotonic()
        return variant

    try:
        with suspect:
            for models in by_claims(fault, unchanged.catalogue):
                if stop.is_set() or trial.kill:
                    break
                trial.add(suspect.show(models, proven))
    except FaultError as error:
        trial.error = str(error)
    except MachineError as error:
        trial.error = f"fault {fault.name}: {error}\n{error.screen}".strip()
    trial.seconds += time.monotonic() - start
    return trial
