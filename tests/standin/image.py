"""The stand-in guest: a CD image that boots in QEMU, through the BIOS, to a shell on the serial line.

It is Linux with a process that plays DragonFly's kernel, LWKT in user space, and commands that speak DragonFly's words
(``guest/``). A module for it is what ``UserlandMachine.build`` makes. What it says of itself is ``standin``, never
DragonFly. Nothing of it is kept in the repository: it is built on the spot from Debian's packages.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pycdlib

from msgport_vm.scratch import Scratch
from msgport_vm.userland import default_cache, default_sources, find_compiler
from tests.standin.packages import candidates, unpack

GUEST = Path(__file__).parent / "guest"
WARNINGS = ("-Wall", "-Wextra", "-Werror")
HOST_FLAGS = ("-std=gnu11", "-D_GNU_SOURCE", "-fno-pie", "-O2", "-g")
KERNEL_FLAGS = ("-std=gnu11", "-ffreestanding", "-nostdinc", "-fno-pie", "-D_KERNEL", "-DINVARIANTS", "-O2", "-g")
REPLACED = ("main.c", "console.c", "module.c")
"""Files of the userland machine's host half whose place the guest's own take."""

MODULES = ("virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "ata_piix", "sr_mod", "isofs")
PROGRAMS = ("bin/dash", "usr/sbin/dropbear", "usr/lib/openssh/sftp-server")
LIBRARIES = "usr/lib/x86_64-linux-gnu"
COMMAND_LINE = "console=ttyS0 quiet loglevel=3 panic=0 mitigations=off random.trust_cpu=on"


@dataclass(frozen=True)
class Guest:
    """A built guest: its parts, from which images with different settings are made quickly."""

    kernel: Path
    initramfs: Path
    isolinux: Path
    ldlinux: Path
    debian: Path
    """The packages, unpacked."""
    key: str


def build_guest(cache: Path | None = None) -> Guest:
    """Build the guest, or find it in ``cache``, keyed by the packages' versions and by our own sources.

    Raises UnavailableError when Debian's packages cannot be had.
    """
    cache = cache or default_cache()
    packages, toolchain = candidates(), find_compiler()
    digest = hashlib.sha256(repr((packages, toolchain, WARNINGS, HOST_FLAGS, KERNEL_FLAGS)).encode())
    for path in (Path(__file__), *sorted(_files(GUEST)), *sorted(_files(default_sources()))):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    key = digest.hexdigest()[:16]
    place = cache / f"standin-{key}"
    debian = cache / f"debian-{hashlib.sha256(repr(packages).encode()).hexdigest()[:16]}"
    with _aside(debian) as aside:
        if aside is not None:
            unpack(packages, aside)
    with _aside(place) as aside:
        if aside is not None:
            with tempfile.TemporaryDirectory(prefix="msgport-standin-") as scratch:
                _build(debian, toolchain.command, Path(scratch), aside)
    return Guest(place / "vmlinuz", place / "initramfs", place / "isolinux.bin", place / "ldlinux.c32", debian, key)


@contextmanager
def _aside(place: Path) -> Iterator[Path | None]:
    """Give a folder that takes its ``place`` when it is filled, or None when ``place`` is there already."""
    if place.is_dir():
        yield None
        return
    with Scratch(place.parent / "standins") as scratch:
        aside = scratch.path / "whole"
        aside.mkdir()
        yield aside
        try:
            aside.rename(place)
        except OSError:
            if not place.is_dir():  # else another process was quicker
                raise


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _run(*command: str, folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stdout}")


def _build(debian: Path, compiler: Sequence[str], scratch: Path, guest: Path) -> None:
    root = scratch / "root"
    root.mkdir()
    shutil.copy(next(debian.glob("boot/vmlinuz-*")), guest / "vmlinuz")
    shutil.copy(debian / "usr/lib/ISOLINUX/isolinux.bin", guest)
    shutil.copy(debian / "usr/lib/syslinux/modules/bios/ldlinux.c32", guest)

    for name in (
        "bin",
        "sbin",
        "dev",
        "proc",
        "sys",
        "tmp",
        "run",
        "mnt",
        "etc/dropbear",
        "root",
        "usr/lib",
        "var",
        "lib/x86_64-linux-gnu",
    ):
        (root / name).mkdir(parents=True)
    (root / "var/run").symlink_to("/run")
    (root / "usr/bin").symlink_to("/bin")
    (root / "usr/sbin").symlink_to("/sbin")
    (root / "etc/passwd").write_text("root::0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root::0:\n")
    (root / "etc/shells").write_text("/bin/sh\n")
    (root / "root").chmod(0o700)
    _install_busybox(debian / "bin/busybox", root)
    _install_kernel_modules(next(debian.glob("lib/modules/*/kernel")), root)
    programs = [_compile_kernel(compiler, scratch), *(debian / name for name in PROGRAMS)]
    places = [root / "sbin/standin", root / "bin/sh", root / "sbin/dropbear", root / "usr/lib/sftp-server"]
    for program, place in zip(programs, places, strict=True):
        place.unlink(missing_ok=True)
        shutil.copy(program, place)
    # glibc's backtrace() asks for it when it is first called.
    unwinder = subprocess.run([*compiler, "-print-file-name=libgcc_s.so.1"], capture_output=True, text=True, check=True)
    shutil.copy(unwinder.stdout.strip(), root / "lib/x86_64-linux-gnu")
    install_libraries(programs, debian, root)
    shutil.copy(GUEST / "init", root / "init")
    for command in (GUEST / "login", *(GUEST / "bin").iterdir()):
        # Whichever folder comes first on the path, ours are found and not busybox's.
        (root / "bin" / command.name).unlink(missing_ok=True)
        (root / "sbin" / command.name).unlink(missing_ok=True)
        shutil.copy(command, root / "sbin")
    (guest / "initramfs").write_bytes(pack(root))


def _install_busybox(busybox: Path, root: Path) -> None:
    shutil.copy(busybox, root / "bin")
    for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if not (root / "bin" / applet).exists():
            (root / "bin" / applet).symlink_to("busybox")


def _install_kernel_modules(tree: Path, root: Path) -> None:
    """Copy the modules and what they depend on, and write the order in which they are to be loaded."""
    files = {path.stem.replace("-", "_"): path for path in tree.rglob("*.ko")}
    order: list[str] = []

    def add(name: str) -> None:
        if name not in order:
            stated = re.search(rb"\0depends=([^\0]*)\0", files[name].read_bytes())
            for needed in stated[1].decode().split(",") if stated and stated[1] else ():
                add(needed.replace("-", "_"))
            order.append(name)

    for name in MODULES:
        add(name)
    folder = root / "lib/modules"
    folder.mkdir(parents=True)
    for name in order:
        shutil.copy(files[name], folder / f"{name}.ko")
    (folder / "order").write_text("".join(f"/lib/modules/{name}.ko\n" for name in order))


def _compile_kernel(compiler: Sequence[str], scratch: Path) -> Path:
    """Compile the process that plays the kernel: the userland machine's sources with a host half of our own."""
    sources, objects = default_sources(), scratch / "objects"
    objects.mkdir()
    kern = [str(path) for path in sorted(sources.glob("kern/*.c"))]
    host = [str(path) for path in sorted(sources.glob("host/*.c")) if path.name not in REPLACED]
    include = str(sources / "include")
    _run(*compiler, *KERNEL_FLAGS, *WARNINGS, "-I", include, "-c", *kern, folder=objects)
    quoted = ("-iquote", include, "-iquote", str(sources / "host"))
    guest = [str(path) for path in sorted(GUEST.glob("*.c"))]
    _run(*compiler, *HOST_FLAGS, *WARNINGS, *quoted, "-c", *host, *guest, folder=objects)
    program = scratch / "standin"
    made = [str(path) for path in sorted(objects.glob("*.o"))]
    _run(*compiler, "-no-pie", "-rdynamic", "-o", str(program), *made, "-lpthread", "-ldl")
    return program


def write_sysdir(folder: Path) -> Path:
    """Make a folder that a module for the guest is compiled against, in the shape of a DragonFly kernel's source."""
    include = default_sources() / "include"
    (folder / "sys").mkdir(parents=True)
    for place in ("platform/pc64", "cpu/x86_64"):
        (folder / place).mkdir(parents=True)
        (folder / place / "include").symlink_to(include / "machine")
    for header in (include / "sys").iterdir():
        (folder / "sys" / header.name).symlink_to(header)
    for header in (GUEST / "include/sys").iterdir():
        link = folder / "sys" / header.name
        if link.exists():
            link.rename(link.with_name(f"userland_{header.name}"))
        link.symlink_to(header)
    return folder


def install_libraries(programs: Sequence[Path], debian: Path, root: Path) -> None:
    """Copy the libraries of programs, ours from here, the packages' from the packages."""
    environment = {**os.environ, "LD_LIBRARY_PATH": str(debian / LIBRARIES)}
    for program in programs:
        said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True, env=environment).stdout
        if missing := re.findall(r"^\s*(\S+) => not found", said, re.MULTILINE):
            raise RuntimeError(f"{program} wants {', '.join(missing)}")
        for name in re.findall(r"(/\S+) \(0x", said):
            library = Path(name)
            at = name if library.name.startswith("ld-") else f"/lib/x86_64-linux-gnu/{library.name}"
            place = root / at[1:]
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, place)


def pack(root: Path) -> bytes:
    """Pack a tree as the kernel wants an initramfs, all of it root's."""
    names = "".join(f"{path.relative_to(root)}\n" for path in sorted(root.rglob("*"))).encode()
    command = ["cpio", "--quiet", "--create", "--format=newc", "--owner=+0:+0"]
    return subprocess.run(command, cwd=root, input=names, capture_output=True, check=True).stdout


def settings_archive(guest: Guest, archive: Path, authorized_key: str) -> None:
    """Write the initramfs that goes on top: who may come in by ssh, and the host key that stays over a reboot."""
    with tempfile.TemporaryDirectory(prefix="msgport-standin-") as name:
        root = Path(name)
        (root / "root/.ssh").mkdir(parents=True)
        for folder in (root / "root", root / "root/.ssh"):
            folder.chmod(0o700)
        (root / "root/.ssh/authorized_keys").write_text(f"{authorized_key}\n" if authorized_key else "")
        (root / "root/.ssh/authorized_keys").chmod(0o600)
        if authorized_key:
            (root / "etc/dropbear").mkdir(parents=True)
            subprocess.run(
                [guest.debian / "usr/bin/dropbearkey", "-t", "ed25519", "-f", root / "etc/dropbear/host_key"],
                env={**os.environ, "LD_LIBRARY_PATH": str(guest.debian / LIBRARIES)},
                capture_output=True,
                check=True,
            )
        archive.write_bytes(pack(root))


def command_line(environment: Mapping[str, object]) -> str:
    """Give the kernel's command line; ``environment`` are variables named ``standin.*``, there from boot on."""
    return " ".join([COMMAND_LINE, *(f"{name}={value}" for name, value in environment.items())])


def direct_boot(
    guest: Guest, folder: Path, *, authorized_key: str = "", environment: Mapping[str, object] | None = None
) -> list[str]:
    """Give QEMU's arguments that boot the guest without a medium, which is quicker; files go to ``folder``."""
    settings_archive(guest, folder / "settings", authorized_key)
    initrd = folder / "initrd"
    initrd.write_bytes(guest.initramfs.read_bytes() + (folder / "settings").read_bytes())
    return ["-kernel", str(guest.kernel), "-initrd", str(initrd), "-append", command_line(environment or {})]


def build_image(
    guest: Guest,
    image: Path,
    *,
    authorized_key: str = "",
    environment: Mapping[str, object] | None = None,
    addition: Path | None = None,
) -> Path:
    """Write a CD image of the guest, bootable as a CD and as a disk.

    ``authorized_key`` is a public key, as in authorized_keys, that opens root's door by ssh; without it no ssh server
    runs. ``environment`` are variables of the guest's kernel environment from boot on; their names begin with
    ``standin.``. ``standin.nologin`` gives the shell without a log-in, ``standin.nokenv`` a guest without kenv,
    ``standin.mounted`` one that mounts the second CD by itself, ``standin.nocd`` one that cannot mount any.
    ``addition`` is an initramfs of what more is to be in the guest.
    """
    options = f"{command_line(environment or {})} initrd=/initrd,/extra{',/more' if addition else ''}"
    config = f"DEFAULT standin\nPROMPT 0\nTIMEOUT 0\nLABEL standin\n KERNEL /vmlinuz\n APPEND {options}\n"
    with tempfile.TemporaryDirectory(prefix="msgport-standin-") as name:
        folder = Path(name)
        settings_archive(guest, folder / "extra", authorized_key)
        (folder / "isolinux.cfg").write_text(config)
        disc = pycdlib.PyCdlib()
        disc.new(vol_ident="STANDIN", rock_ridge="1.09")
        for file, iso_name in (
            (guest.isolinux, "ISOLINUX.BIN"),
            (guest.ldlinux, "LDLINUX.C32"),
            (folder / "isolinux.cfg", "ISOLINUX.CFG"),
            (guest.kernel, "VMLINUZ."),
            (guest.initramfs, "INITRD."),
            (folder / "extra", "EXTRA."),
            *([(addition, "MORE.")] if addition else []),
        ):
            disc.add_file(str(file), f"/{iso_name};1", rr_name=iso_name.lower().rstrip("."))
        disc.add_eltorito("/ISOLINUX.BIN;1", bootcatfile="/BOOT.CAT;1", boot_info_table=True, boot_load_size=4)
        disc.add_isohybrid()
        disc.write(str(image))
        disc.close()
    return image
