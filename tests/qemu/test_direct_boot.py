"""A kernel that QEMU boots for us finds what DragonFly's boot loader would have left it; other files are refused."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from random import Random

import pytest

from msgport_vm.direct_boot import assemble, pack
from msgport_vm.kernel_file import read_kernel
from msgport_vm.machine import MachineError, UnusableFileError
from msgport_vm.qemu import QemuMachine
from msgport_vm.qemu_options import QemuOptions
from tests.qemu.kernels import VERSION, compile_kernel
from tests.standin.image import write_sysdir

QEMU = "qemu-system-x86_64"
needs_qemu = pytest.mark.skipif(shutil.which(QEMU) is None, reason=f"{QEMU} is not installed")


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_kernel(tmp_path_factory.mktemp("kernel") / "kernel")


def test_a_kernel_is_read_with_its_version_and_what_is_to_be_loaded(kernel: Path) -> None:
    read = read_kernel(kernel)
    assert read.version == VERSION
    assert read.segments[0].address == 2 << 20
    assert [segment.address for segment in read.segments] == sorted(segment.address for segment in read.segments)
    last = read.segments[-1]
    assert last.size > len(last.content) + 4096 * 8
    assert b"\0version\0" in read.names and read.symbols


def test_a_kernel_with_debugging_information_boots_as_the_same_image(kernel: Path, tmp_path: Path) -> None:
    debug = read_kernel(compile_kernel(tmp_path / "kernel.debug", debug=True))
    plain = read_kernel(kernel)
    assert debug.digest != plain.digest
    assert len(pack(debug, {}, b"")) < len(pack(plain, {}, b"")) + 4096


def test_a_kernel_without_a_symbol_table_is_told_to_be_no_kernel(tmp_path: Path) -> None:
    with pytest.raises(UnusableFileError, match="no symbols at all"):
        read_kernel(compile_kernel(tmp_path / "kernel", "-s"))


def test_another_systems_kernel_is_refused_by_what_it_says_of_itself(tmp_path: Path) -> None:
    foreign = compile_kernel(tmp_path / "kernel", version="FreeBSD 14.0-RELEASE #0")
    with pytest.raises(UnusableFileError, match=r"is no kernel of DragonFly.*'FreeBSD 14\.0-RELEASE #0'"):
        read_kernel(foreign)


def test_a_program_and_a_module_are_refused(tmp_path: Path, kernel: Path) -> None:
    with pytest.raises(UnusableFileError, match="no kernel of DragonFly"):
        read_kernel(Path(sys.executable).resolve())
    low = compile_kernel(tmp_path / "low", address=0xFFFFFFFF80000000)
    with pytest.raises(UnusableFileError, match="where no kernel is"):
        read_kernel(low)
    foreign = bytearray(kernel.read_bytes())
    foreign[18] = 183  # e_machine: AArch64
    (tmp_path / "arm").write_bytes(foreign)
    with pytest.raises(UnusableFileError, match="64 bits for AArch64"):
        read_kernel(tmp_path / "arm")


def test_a_kernel_that_is_cut_off_anywhere_is_refused(kernel: Path, tmp_path: Path) -> None:
    whole = kernel.read_bytes()
    cut = tmp_path / "cut"
    for length in (5, 40, 64, 200, 0x200010, len(whole) // 2, len(whole) - 2000, len(whole) - 1):
        cut.write_bytes(whole[:length])
        with pytest.raises(UnusableFileError, match=r"is not a whole ELF file|is no kernel"):
            read_kernel(cut)


def test_a_damaged_kernel_is_read_or_refused_and_nothing_else(tmp_path: Path) -> None:
    whole = compile_kernel(tmp_path / "kernel", "-Wl,-z,max-page-size=4096").read_bytes()
    sections = int.from_bytes(whole[40:48], "little")
    headers = [range(64), range(64, 64 + 5 * 56), range(sections, len(whole))]
    random = Random(3)
    damaged = tmp_path / "damaged"
    refused = 0
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(random.randrange(1, 4)):
            content[random.choice(random.choice(headers))] = random.choice((0, 255, random.randrange(256)))
        damaged.write_bytes(content)
        try:
            assert read_kernel(damaged).version.startswith("DragonFly ")
        except UnusableFileError:
            refused += 1
    assert 30 < refused < 300


def test_a_compiler_that_makes_no_x86_code_is_told(tmp_path: Path) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho cc: unrecognized option -m64\nexit 1\n")
    compiler.chmod(0o755)
    with pytest.raises(MachineError, match="boot stub") as caught:
        assemble([str(compiler)], tmp_path)
    assert "unrecognized option" in caught.value.screen


def test_a_compiler_that_never_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\nexec sleep 60\n")
    compiler.chmod(0o755)
    monkeypatch.setattr("msgport_vm.direct_boot.ASSEMBLE_TIMEOUT", 0.1)
    with pytest.raises(MachineError, match=r"does not assemble the boot stub within 0\.1 s"):
        assemble([str(compiler)], tmp_path)


@needs_qemu
@pytest.mark.parametrize("cpus", [1, 2])
def test_a_kernel_finds_its_symbols_its_environment_and_the_memory_map(kernel: Path, tmp_path: Path, cpus: int) -> None:
    options = QemuOptions(
        kernel=kernel,
        cpus=cpus,
        memory=160,
        accelerator="tcg",
        environment={"vfs.root.mountfrom": "ufs:md0", "lwkt.use_spin_port": "1"},
    )
    with (
        QemuMachine(options, write_sysdir(tmp_path / "sysdir"), cache=tmp_path / "cache") as machine,
        pytest.raises(MachineError, match="does not find its root file system") as caught,
    ):
        machine.boot()
    said = caught.value.screen.splitlines()
    told = dict(line.split("=", 1) for line in said if "=" in line and not line.startswith("env "))
    assert said[0] == "tiny"
    assert [line for line in said if line.startswith("is ")] == ["is /boot/kernel/kernel", "is elf kernel"]
    assert {line for line in said if line.startswith("env ")} == {
        "env vfs.root.mountfrom=ufs:md0", "env console=comconsole", "env lwkt.use_spin_port=1"
    }  # fmt: skip
    memory = int(told.pop("memory"), 16)
    assert 159 << 20 < memory < 160 << 20
    assert told == {
        "bss": "0",
        "address": "200000",
        "names_fit": "1",
        "version_is_found": "1",
        "howto": "1000",
        "same_end": "1",
        "map_left_over": "0",
        "end_is_behind": "1",
    }
