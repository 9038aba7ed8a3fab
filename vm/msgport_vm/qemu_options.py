"""What a QEMU machine is made of, and the command line that makes it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from msgport_vm.machine import MachineError
from msgport_vm.qemu_accelerator import Accelerator
from msgport_vm.qemu_states import identity

STATE, ROOT, DISC, DISC_OVERLAY = "state.qcow2", "root.qcow2", "modules.iso", "modules.qcow2"
DISC_SIZE = 32 << 20

MULTIBOOT = struct.pack("<I", 0x1BADB002)
MULTIBOOT_WITHIN = 8192


def image_format(image: Path) -> Literal["iso", "qcow2", "raw"]:
    """Tell what kind of medium a file is, from its content. Raises MachineError when it cannot be read."""
    try:
        with image.open("rb") as file:
            first = file.read(4)
            file.seek(0x8001)
            descriptor = file.read(5)
    except OSError as error:
        raise MachineError(f"cannot read the image {image}: {error.strerror}") from error
    if first == b"QFI\xfb":
        return "qcow2"
    return "iso" if descriptor == b"CD001" else "raw"


@dataclass(frozen=True)
class QemuOptions:
    """A machine to be.

    ``image`` is a DragonFly medium (ISO, raw, qcow2), which is never written to. ``kernel`` is a multiboot kernel that
    QEMU loads itself, with ``append`` as its command line; ``image`` is then its root disk. ``bus`` is how disks and
    the modules' CD are attached: ``ahci`` (every GENERIC kernel) or ``virtio`` (a trimmed kernel with virtio_blk only).
    ``memory`` is in MB; ``accelerator`` is QEMU's name or ``auto``; ``cpu`` QEMU's ``-cpu``, ``machine`` its
    ``-machine``; empty: what fits. ``loader`` are variables for the boot loader. ``arguments`` go to QEMU as they are.
    ``boot_patience`` is in seconds without progress, ``boot_limit`` in seconds altogether.
    """

    image: Path | None = None
    kernel: Path | None = None
    append: str = ""
    bus: Literal["ahci", "virtio"] = "ahci"
    cpus: int = 4
    memory: int = 1024
    accelerator: str = "auto"
    program: str = "qemu-system-x86_64"
    machine: str = "q35"
    cpu: str = ""
    loader: Mapping[str, str] = field(default_factory=lambda: {"console": "comconsole"})
    arguments: tuple[str, ...] = ()
    boot_patience: float = 180.0
    boot_limit: float = 1800.0

    def __post_init__(self) -> None:
        """Raise ValueError for a choice that is none."""
        if self.image is None and self.kernel is None:
            raise ValueError("a QEMU machine needs an image (--image) or a kernel to boot (--kernel)")
        if not 1 <= self.cpus <= 64:
            raise ValueError(f"a QEMU machine has 1 to 64 CPUs, not {self.cpus}")
        if self.memory < 128:
            raise ValueError(f"DragonFly needs 128 MB of memory, not {self.memory}")


@dataclass(frozen=True)
class Layout:
    """A machine's command line, to be run in a folder that holds its files, and what follows from it.

    ``overlay`` is the medium that ROOT lies over, ``overlay_format`` its format; None when the root is a CD or there
    is none. ``disc_device`` is the guest's name of the modules' CD; ``disc_overlay`` tells that the
    modules' CD is a disk to the guest, which wants to be able to write to those.
    """

    arguments: tuple[str, ...]
    shape: Mapping[str, Any]
    overlay: Path | None
    overlay_format: str
    disc_device: str
    disc_overlay: bool

    @property
    def files(self) -> tuple[str, ...]:
        """The files that a saved state of it consists of."""
        root = (ROOT,) if self.overlay is not None else ()
        return (STATE, *root, *((DISC_OVERLAY,) if self.disc_overlay else ()))


def lay_out(options: QemuOptions, accelerator: Accelerator) -> Layout:
    """Work out the command line. Raises MachineError when a file is not there or not what it should be."""
    cpu = options.cpu or ("host" if accelerator.name != "tcg" else "qemu64")
    # 5.9 can trap at boot in its registration of an HPET: dragonfly.md, 5.
    arguments = [
        *("-machine", f"{options.machine},hpet=off", "-accel", accelerator.argument, "-cpu", cpu),
        *("-smp", str(options.cpus), "-m", str(options.memory), "-nic", "none"),
        # A guest that reboots or powers off stands still instead: its memory can be read, and it can be brought back.
        *("-action", "reboot=shutdown,shutdown=pause"),
        *("-drive", f"if=none,id=state,file={STATE},format=qcow2"),
    ]
    shape: dict[str, Any] = {}
    overlay, kind = None, ""
    if options.kernel is not None:
        _check_multiboot(options.kernel)
        shape["kernel"] = identity(options.kernel)
        arguments += ["-kernel", str(options.kernel.resolve())]
        arguments += ["-append", options.append] if options.append else []
    else:
        arguments += ["-vga", "std"]
    # With -kernel QEMU boots its own option ROM first.
    first = "" if options.kernel else ",bootindex=0"
    if options.image is not None:
        kind = image_format(options.image)
        shape["image"] = identity(options.image)
        if kind == "iso" and options.bus == "ahci":
            medium = str(options.image.resolve()).replace(",", ",,")
            arguments += ["-drive", f"if=none,id=root,media=cdrom,readonly=on,format=raw,file={medium}"]
            arguments += ["-device", f"ide-cd,bus=ide.0,drive=root{first}"]
        else:
            overlay = options.image.resolve()
            arguments += ["-drive", f"if=none,id=root,file={ROOT},format=qcow2"]
            arguments += ["-device", f"virtio-blk-pci,drive=root{first}"]
    if options.bus == "virtio":
        arguments += ["-drive", f"if=none,id=modules,file={DISC_OVERLAY},format=qcow2"]
        arguments += ["-device", "virtio-blk-pci,drive=modules"]
        device = f"/dev/vbd{1 if options.image else 0}"
    else:
        # Never empty: for a drive that is, DragonFly makes no device.
        arguments += ["-drive", f"if=none,id=modules,media=cdrom,readonly=on,format=raw,file={DISC}"]
        arguments += ["-device", "ide-cd,bus=ide.1,drive=modules"]
        device = f"/dev/cd{1 if kind == 'iso' else 0}"
    arguments += options.arguments
    shape |= {"arguments": arguments, "loader": dict(options.loader)}
    return Layout(
        tuple(arguments), shape, overlay, "qcow2" if kind == "qcow2" else "raw", device, options.bus == "virtio"
    )


def _check_multiboot(kernel: Path) -> None:
    try:
        with kernel.open("rb") as file:
            head = file.read(MULTIBOOT_WITHIN)
    except OSError as error:
        raise MachineError(f"cannot read the kernel {kernel}: {error.strerror}") from error
    if not any(head[at : at + 4] == MULTIBOOT for at in range(0, len(head), 4)):
        raise MachineError(
            f"{kernel} has no multiboot header, so QEMU cannot boot it. DragonFly's own loader can: install it as "
            "/boot/kernel/kernel in an image, and give that with --image."
        )
