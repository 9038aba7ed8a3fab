"""What a QEMU machine is made of, and the command line that makes it."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from msgport_vm.kernel_file import KernelFile, is_elf64, read_kernel
from msgport_vm.machine import UnusableFileError
from msgport_vm.qemu_accelerator import Accelerator
from msgport_vm.qemu_network import KNOWN_HOSTS, network_arguments
from msgport_vm.qemu_states import identity

STATE, ROOT, DISC, DISC_OVERLAY = "state.qcow2", "root.qcow2", "modules.iso", "modules.qcow2"
BOOT = "kernel.multiboot"
DISC_SIZE = 32 << 20

MULTIBOOT = struct.pack("<I", 0x1BADB002)
MULTIBOOT_WITHIN = 8192

CONSOLE = {"console": "comconsole"}
ROOT_VARIABLE = "vfs.root.mountfrom"
_VARIABLE = re.compile(r"[A-Za-z_][\w.:-]*", re.ASCII)
_VALUE = re.compile(r"[ !#%&(-\[\]-~]*")
"""What the boot loader takes as it stands between quotation marks: to it an apostrophe is one of those."""

LOADER_LINE = 255
"""Characters that the boot loader keeps of a line; it cuts off the rest without a word."""

BOOTABLE = b"\x55\xaa"
"""How the first sector of a disk ends that a BIOS boots from."""


def image_format(image: Path) -> Literal["iso", "qcow2", "raw"]:
    """Tell what kind of medium a file is, from its content. Raises UnusableFileError when it cannot be read."""
    try:
        with image.open("rb") as file:
            first = file.read(4)
            file.seek(0x8001)
            descriptor = file.read(5)
    except OSError as error:
        raise UnusableFileError(f"cannot read the image {image}: {error.strerror}") from error
    if first == b"QFI\xfb":
        return "qcow2"
    return "iso" if descriptor == b"CD001" else "raw"


@dataclass(frozen=True)
class QemuOptions:
    """A machine to be.

    ``image`` is a DragonFly medium (ISO, raw, qcow2), which is never written to. ``kernel`` is booted in the place of
    the one in the image, which is then its root: a DragonFly kernel, or a multiboot one with ``append`` as its command
    line. ``environment`` are variables of the kernel's environment, which a multiboot kernel has from elsewhere.
    ``bus`` is how disks and the modules' CD are attached: ``ahci`` (every GENERIC kernel) or ``virtio`` (a trimmed
    kernel with virtio_blk only). ``network`` gives it one, for ssh from this host and nothing else, with a card that
    goes with the bus. ``memory`` is in MB; ``accelerator`` is QEMU's name or ``auto``; ``cpu`` QEMU's
    ``-cpu``, ``machine`` its ``-machine``; empty: what fits. ``arguments`` go to QEMU as they are. ``boot_patience`` is
    in seconds without progress, ``boot_limit`` in seconds altogether.
    """

    image: Path | None = None
    kernel: Path | None = None
    append: str = ""
    bus: Literal["ahci", "virtio"] = "ahci"
    network: bool = False
    cpus: int = 4
    memory: int = 1024
    accelerator: str = "auto"
    program: str = "qemu-system-x86_64"
    machine: str = "q35"
    cpu: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
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
        for name, value in self.environment.items():
            if not _VARIABLE.fullmatch(name):
                raise ValueError(f"{name!r} cannot be a variable of the kernel's environment")
            if not _VALUE.fullmatch(value):
                raise ValueError(f"{name}: its value may hold printable ASCII, without \", ', \\ and $")
            if len(order := loader_order(name, value)) > LOADER_LINE:
                raise ValueError(f"{name}: its value is too long by {len(order) - LOADER_LINE}, for the boot loader")


def loader_order(name: str, value: str) -> str:
    """What sets a variable of the kernel's environment at the boot loader's prompt."""
    return f'set {name}="{value}"'


@dataclass(frozen=True)
class Layout:
    """A machine's command line, to be run in a folder that holds its files, and what follows from it.

    ``overlay`` is the medium that ROOT lies over, ``overlay_format`` its format; None when the root is a CD or there
    is none. ``disc_device`` is the guest's name of the modules' CD; ``disc_overlay`` tells that the
    modules' CD is a disk to the guest, which wants to be able to write to those. ``environment`` is what the kernel's
    environment is to hold, through the boot loader, or in the file BOOT, which is made of ``kernel``, when that is to
    be booted without one. With a ``network`` the guest's host key goes into the file KNOWN_HOSTS.
    """

    arguments: tuple[str, ...]
    shape: Mapping[str, Any]
    overlay: Path | None
    overlay_format: str
    disc_device: str
    disc_overlay: bool
    environment: Mapping[str, str]
    kernel: KernelFile | None
    network: bool

    @property
    def files(self) -> tuple[str, ...]:
        """The files that a saved state of it consists of."""
        there = {ROOT: self.overlay, DISC_OVERLAY: self.disc_overlay, BOOT: self.kernel, KNOWN_HOSTS: self.network}
        return (STATE, *(file for file, wanted in there.items() if wanted))


@dataclass(frozen=True)
class Files:
    """What the user's files are: see read_files().

    ``medium`` is the image's format, empty without one. ``image`` are the names of the files that it is made of: its
    own, and what a qcow2 lies over. ``kernel`` is to be booted past the boot loader; ``digest`` is its SHA-256, or that
    of a kernel that QEMU boots as it is.
    """

    medium: Literal["iso", "qcow2", "raw", ""]
    image: tuple[str, ...]
    kernel: KernelFile | None
    digest: str


def read_files(options: QemuOptions) -> Files:
    """Look at the user's files. Raises UnusableFileError when one is not there or not what it should be."""
    medium = image_format(options.image) if options.image is not None else ""
    image = (str(options.image.resolve()),) if options.image is not None else ()
    if options.kernel is None and options.image and medium == "iso" and options.bus == "virtio":
        _require_disk(options.image)
    if options.kernel is None:
        return Files(medium, image, None, "")
    if is_elf64(options.kernel):
        kernel = read_kernel(options.kernel)
        return Files(medium, image, kernel, kernel.digest)
    digest = _multiboot_digest(options.kernel)
    if options.environment:
        raise UnusableFileError(f"{options.kernel} is a multiboot kernel: --env cannot add to its environment")
    return Files(medium, image, None, digest)


def _require_disk(image: Path) -> None:
    """Make sure that an ISO boots from a disk, as few do: a BIOS that finds nothing says so nowhere but on a screen."""
    with image.open("rb") as file:
        if not file.read(512).endswith(BOOTABLE):
            raise UnusableFileError(
                f"{image} boots from a CD drive and from no disk, which --bus virtio makes of it: leave --bus out, or "
                "give a --kernel, to which that is no matter"
            )


def lay_out(options: QemuOptions, files: Files, accelerator: Accelerator) -> Layout:
    """Work out the command line. Raises UnusableFileError when it must be told where the root is."""
    cpu = options.cpu or ("host" if accelerator.name != "tcg" else "qemu64")
    # 5.9 can trap at boot in its registration of an HPET: dragonfly.md, 5.
    arguments = [
        *("-machine", f"{options.machine},hpet=off", "-accel", accelerator.argument, "-cpu", cpu),
        *("-smp", str(options.cpus), "-m", str(options.memory)),
        *(network_arguments(options.bus) if options.network else ("-nic", "none")),
        # A guest that reboots or powers off stands still instead: its memory can be read, and it can be brought back.
        *("-action", "reboot=shutdown,shutdown=pause"),
        *("-drive", f"if=none,id=state,file={STATE},format=qcow2"),
    ]
    shape: dict[str, Any] = {"kernel": files.digest} if options.kernel else {}
    overlay = None
    environment = {**CONSOLE, **options.environment}
    if options.kernel is None:
        arguments += ["-vga", "std"]
    elif files.kernel:
        environment = {ROOT_VARIABLE: _root(options, files.medium), **environment}
        arguments += ["-kernel", BOOT]
    else:
        arguments += ["-kernel", str(options.kernel.resolve())]
        arguments += ["-append", options.append] if options.append else []
    # With -kernel QEMU boots its own option ROM first.
    first = "" if options.kernel else ",bootindex=0"
    if options.image is not None:
        shape["image"] = [identity(file) for file in files.image]
        if files.medium == "iso" and options.bus == "ahci":
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
        device = f"/dev/cd{1 if files.medium == 'iso' else 0}"
    arguments += options.arguments
    shape |= {"arguments": arguments, "environment": environment}
    return Layout(
        tuple(arguments),
        shape,
        overlay,
        overlay_format="qcow2" if files.medium == "qcow2" else "raw",
        disc_device=device,
        disc_overlay=options.bus == "virtio",
        environment=environment,
        kernel=files.kernel,
        network=options.network,
    )


def _root(options: QemuOptions, kind: str) -> str:
    """Say where the kernel finds its root file system, which the boot loader would have told it."""
    if told := options.environment.get(ROOT_VARIABLE):
        return told
    if kind == "iso":
        return f"cd9660:{'cd0' if options.bus == 'ahci' else 'vbd0'}"
    what = "no image is given" if options.image is None else f"{options.image} is a disk"
    raise UnusableFileError(
        f"{what}, so say where the kernel's root file system is: --env {ROOT_VARIABLE}=ufs:vbd0s1a, for instance "
        "(the image is vbd0; `/` in its /etc/fstab tells)"
    )


def _multiboot_digest(kernel: Path) -> str:
    """Make sure that QEMU can boot a kernel as it is, and give its SHA-256."""
    try:
        content = kernel.read_bytes()
    except OSError as error:
        raise UnusableFileError(f"cannot read the kernel {kernel}: {error.strerror}") from error
    if not any(content[at : at + 4] == MULTIBOOT for at in range(0, min(len(content), MULTIBOOT_WITHIN), 4)):
        raise UnusableFileError(
            f"{kernel} is neither a kernel of DragonFly for x86-64 (ELF, 64 bits) nor has it a multiboot header"
        )
    return hashlib.sha256(content).hexdigest()
