"""A compiler for the stand-in guest: this host's gcc, ld and bmake; a bsd.kmod.mk and a kernel's source of ours."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import tempfile
from pathlib import Path

from msgport_vm.hostbuild import FLAGS, IF_KNOWN
from msgport_vm.userland import default_sources
from tests.standin.image import GUEST, Guest, install_libraries, pack
from tests.standin.packages import UnavailableError

HERE = Path(__file__).parent / "compiler"


def _from_host(name: str) -> Path:
    """Raises UnavailableError when this host has no such program."""
    found = shutil.which(name)
    if found is None:
        raise UnavailableError(f"no {name} here: apt install bmake gcc")
    return Path(found)


def write_compiler(guest: Guest, archive: Path, *, without: str = "") -> Path:
    """Write an initramfs that puts a compiler and a kernel's source into the guest.

    ``without`` names a path in it that is left out. Raises UnavailableError when this host has no gcc or bmake.
    """
    gcc = _from_host("gcc")
    asked = subprocess.run([gcc, "-print-prog-name=cc1"], capture_output=True, text=True, check=True)
    cc1 = Path(asked.stdout.strip())
    # The driver looks for it from where it is itself.
    within = cc1.relative_to(gcc.parent.parent)
    programs = {"bin/cc": gcc, "bin/as": _from_host("as"), "bin/ld": _from_host("ld"), "bin/bmake": _from_host("bmake")}
    with tempfile.TemporaryDirectory(prefix="msgport-compiler-") as name:
        root = Path(name)
        for place, program in {**programs, str(within): cc1}.items():
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(program, root / place)
        install_libraries([*programs.values(), cc1], guest.debian, root)
        shutil.copy(HERE / "make", root / "bin")
        rules = root / "usr/share/mk"
        rules.mkdir(parents=True)
        shutil.copy(HERE / "bsd.kmod.mk", rules)
        (rules / "sys.mk").write_text("")
        _write_source(root / "usr/src/sys", [*FLAGS, *IF_KNOWN])
        if without:
            (root / without).unlink()
        archive.write_bytes(gzip.compress(pack(root), 1))
    return archive


def _write_source(sysdir: Path, flags: list[str]) -> None:
    """Lay out the headers that a module for the guest needs, and the rules that it is compiled by."""
    include = default_sources() / "include"
    shutil.copytree(include, sysdir)
    for header in (GUEST / "include/sys").iterdir():
        place = sysdir / "sys" / header.name
        if place.exists():
            place.rename(place.with_name(f"userland_{header.name}"))
        shutil.copy(header, place)
    (sysdir / "opt_global.h").touch()
    (sysdir / "conf").mkdir()
    (sysdir / "conf/kmod.mk").write_text(f"CFLAGS=\t${{COPTS}} {' '.join(flags)} -isystem ${{SYSDIR}}\n")
