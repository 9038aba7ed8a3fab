"""DragonFly's release images: which there are, how to get one, and whether a file is one."""

from msgport_vm.images.store import get, verify
from msgport_vm.images.table import Image, ImageError, known, mirrors

__all__ = ["Image", "ImageError", "get", "known", "mirrors", "verify"]
