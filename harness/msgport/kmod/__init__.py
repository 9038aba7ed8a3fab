"""Generated kernel modules: a variant to C source and Makefile, and what such a module leaves in memory."""

from msgport.kmod.memory import Ring, RingEntry, Steps, read_rings, read_steps
from msgport.kmod.module import Module, generate, write

__all__ = ["Module", "Ring", "RingEntry", "Steps", "generate", "read_rings", "read_steps", "write"]
