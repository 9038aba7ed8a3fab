"""The reference model: every outcome that the manual permits, or the kernel shows, for a variant. Pure."""

from msgport.model.deviations import deviations_of
from msgport.model.endings import UnownedRead
from msgport.model.explore import Exploration, explore
from msgport.model.semantics import DEVIATIONS, KERNEL, MANUAL, READINGS, Deviation, Semantics

__all__ = [
    "DEVIATIONS",
    "KERNEL",
    "MANUAL",
    "READINGS",
    "Deviation",
    "Exploration",
    "Semantics",
    "UnownedRead",
    "deviations_of",
    "explore",
]
