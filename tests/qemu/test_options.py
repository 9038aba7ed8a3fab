"""What a user asks for, as QEMU's command line."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from msgport_vm.machine import UnusableFileError
from msgport_vm.qemu_accelerator import Accelerator
from msgport_vm.qemu_network import KNOWN_HOSTS
from msgport_vm.qemu_options import BOOT, MULTIBOOT, ROOT, Layout, QemuOptions, image_format, lay_out, read_files
from msgport_vm.qemu_states import key_of
from tests.qemu.kernels import compile_kernel

TCG = Accelerator("tcg")


def laid_out(options: QemuOptions, accelerator: Accelerator = TCG) -> Layout:
    return lay_out(options, read_files(options), accelerator)


def iso(folder: Path) -> Path:
    file = folder / "dfly.iso"
    file.write_bytes(bytes(0x8001) + b"CD001" + bytes(2048))
    return file


def raw(folder: Path) -> Path:
    file = folder / "dfly.img"
    file.write_bytes(bytes(4096))
    return file


def kernel(folder: Path) -> Path:
    file = folder / "kernel"
    file.write_bytes(b"\x7fELF" + bytes(60) + MULTIBOOT + bytes(100))
    return file


def test_a_mediums_kind_is_told_from_its_content(tmp_path: Path) -> None:
    (tmp_path / "misnamed.iso").write_bytes(b"QFI\xfb" + bytes(100))
    assert image_format(iso(tmp_path)) == "iso"
    assert image_format(raw(tmp_path)) == "raw"
    assert image_format(tmp_path / "misnamed.iso") == "qcow2"


def test_an_image_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnusableFileError, match=r"cannot read the image .*gone\.iso: No such file"):
        laid_out(QemuOptions(image=tmp_path / "gone.iso"))


def test_a_live_cd_is_read_only_and_the_modules_come_on_a_second(tmp_path: Path) -> None:
    layout = laid_out(QemuOptions(image=iso(tmp_path)))
    drives = [word for word in layout.arguments if "dfly.iso" in word]
    assert len(drives) == 1 and "readonly=on" in drives[0]
    assert layout.overlay is None
    assert (layout.disc_device, layout.disc_overlay) == ("/dev/cd1", False)


@pytest.mark.parametrize("bus", ["ahci", "virtio"])
def test_a_disk_image_is_never_opened_for_writing(tmp_path: Path, bus: str) -> None:
    layout = laid_out(QemuOptions(image=raw(tmp_path), bus=bus))  # type: ignore[arg-type]
    assert not any("dfly.img" in word for word in layout.arguments)
    assert layout.overlay == raw(tmp_path)
    assert ROOT in layout.files


def test_a_multiboot_kernel_is_booted_with_its_command_line(tmp_path: Path) -> None:
    layout = laid_out(QemuOptions(image=raw(tmp_path), kernel=kernel(tmp_path), append="-s", bus="virtio"))
    at = layout.arguments.index("-kernel")
    assert layout.arguments[at + 1 : at + 4] == (str(kernel(tmp_path)), "-append", "-s")
    assert not any("bootindex" in word for word in layout.arguments)
    assert (layout.disc_device, layout.disc_overlay) == ("/dev/vbd1", True)


def test_a_file_that_is_no_kernel_is_refused(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(b"\x7fELF\x01" + bytes(1000))
    with pytest.raises(UnusableFileError, match=r"neither a kernel of DragonFly for x86-64 .* nor has it a multiboot"):
        laid_out(QemuOptions(kernel=plain))
    plain.write_bytes(b"\x7fELF\x02" + bytes(1000))
    with pytest.raises(UnusableFileError, match=r"not a whole ELF file|no kernel of DragonFly"):
        laid_out(QemuOptions(image=iso(tmp_path), kernel=plain))
    with pytest.raises(UnusableFileError, match="cannot read the kernel"):
        laid_out(QemuOptions(kernel=tmp_path / "gone"))


def test_a_multiboot_kernels_environment_is_not_ours_to_add_to(tmp_path: Path) -> None:
    options = QemuOptions(image=raw(tmp_path), kernel=kernel(tmp_path), environment={"hw.x": "1"})
    with pytest.raises(UnusableFileError, match="multiboot"):
        laid_out(options)


@pytest.mark.parametrize(("bus", "root"), [("ahci", "cd9660:cd0"), ("virtio", "cd9660:vbd0")])
def test_a_kernel_of_ones_own_finds_its_root_on_the_cd(tmp_path: Path, bus: str, root: str) -> None:
    own = compile_kernel(tmp_path / "kernel")
    layout = laid_out(QemuOptions(image=iso(tmp_path), kernel=own, bus=bus))  # type: ignore[arg-type]
    assert layout.arguments[layout.arguments.index("-kernel") + 1] == BOOT and BOOT in layout.files
    assert layout.environment == {"vfs.root.mountfrom": root, "console": "comconsole"}
    assert layout.kernel is not None


def test_where_the_root_is_on_a_disk_must_be_told(tmp_path: Path) -> None:
    own = compile_kernel(tmp_path / "kernel")
    with pytest.raises(UnusableFileError, match=r"dfly\.img is a disk.*--env vfs\.root\.mountfrom=ufs:vbd0s1a"):
        laid_out(QemuOptions(image=raw(tmp_path), kernel=own))
    with pytest.raises(UnusableFileError, match=r"no image is given.*--env vfs\.root\.mountfrom"):
        laid_out(QemuOptions(kernel=own))
    told = {"vfs.root.mountfrom": "hammer2:vbd0s1d", "console": "vidconsole"}
    assert laid_out(QemuOptions(image=raw(tmp_path), kernel=own, environment=told)).environment == told


def test_a_kernel_is_known_by_its_content(tmp_path: Path) -> None:
    own, image = compile_kernel(tmp_path / "kernel"), iso(tmp_path)

    def key(kernel: Path) -> str:
        return key_of(laid_out(QemuOptions(image=image, kernel=kernel)).shape)

    first = key(own)
    assert key(own.rename(tmp_path / "kernel.old")) == first
    assert key(compile_kernel(tmp_path / "kernel", version="DragonFly 9.9-TINY #8: rebuilt")) != first


@pytest.mark.parametrize(
    "variable",
    [
        *({"": "1"}, {"a b": "1"}, {"9x": "1"}, {"x": 'say "so"'}, {"x": "it's"}, {"x": "a\nb"}, {"x": "$y"}),
        *({"x": "é"}, {"x": "y" * 248}),
    ],
)
def test_what_cannot_be_said_to_the_boot_loader_is_refused(tmp_path: Path, variable: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"environment|printable|x: its value is too long by 1"):
        QemuOptions(image=tmp_path, environment=variable)


def test_an_iso_that_only_a_cd_drive_boots_is_refused_as_a_disk(tmp_path: Path) -> None:
    options = QemuOptions(image=iso(tmp_path), bus="virtio")
    with pytest.raises(
        UnusableFileError, match=r"dfly\.iso boots from a CD drive .*: leave --bus out, or give a --kernel"
    ):
        laid_out(options)
    laid_out(dataclasses.replace(options, kernel=compile_kernel(tmp_path / "kernel")))
    content = bytearray(options.image.read_bytes()) if options.image else bytearray()
    content[510:512] = b"\x55\xaa"
    iso(tmp_path).write_bytes(content)
    laid_out(options)


def test_nothing_to_boot_and_impossible_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs an image"):
        QemuOptions()
    with pytest.raises(ValueError, match="not 0"):
        QemuOptions(image=tmp_path, cpus=0)
    with pytest.raises(ValueError, match="128 MB"):
        QemuOptions(image=tmp_path, memory=64)


@pytest.mark.parametrize(
    "change",
    [
        *({"cpus": 2}, {"memory": 2048}, {"network": True}),
        *({"environment": {"boot_verbose": "YES"}}, {"arguments": ("-rtc", "base=utc")}),
    ],
)
def test_every_option_that_shapes_the_machine_is_in_its_key(tmp_path: Path, change: dict[str, object]) -> None:
    image = iso(tmp_path)
    same = key_of(laid_out(QemuOptions(image=image)).shape)
    assert key_of(laid_out(QemuOptions(image=image)).shape) == same
    assert key_of(laid_out(QemuOptions(image=image, **change)).shape) != same  # type: ignore[arg-type]
    assert key_of(laid_out(QemuOptions(image=image), Accelerator("kvm")).shape) != same


def test_a_machine_has_no_network_unless_it_is_asked_for(tmp_path: Path) -> None:
    layout = laid_out(QemuOptions(image=iso(tmp_path)))
    assert ("-nic", "none") in pairwise(layout.arguments) and "-netdev" not in layout.arguments
    assert KNOWN_HOSTS not in layout.files


@pytest.mark.parametrize(("bus", "card"), [("ahci", "e1000,"), ("virtio", "virtio-net-pci,")])
def test_a_network_leads_from_a_port_of_loopback_to_the_guests_ssh_server_and_nowhere_else(
    tmp_path: Path, bus: str, card: str
) -> None:
    layout = laid_out(QemuOptions(image=raw(tmp_path), bus=bus, network=True))  # type: ignore[arg-type]
    (net,) = [word for word in layout.arguments if word.startswith("user,")]
    assert {"restrict=on", "hostfwd=tcp:127.0.0.1:0-:22"} < set(net.split(","))
    assert any(word.startswith(card) for word in layout.arguments) and "-nic" not in layout.arguments
    # The key comes with the state that it belongs to.
    assert KNOWN_HOSTS in layout.files


def test_what_an_image_lies_over_shapes_the_machine_too(tmp_path: Path) -> None:
    options = QemuOptions(image=raw(tmp_path))
    base = tmp_path / "base"
    base.write_bytes(b"one")
    files = replace(read_files(options), image=(str(options.image), str(base)))
    before = key_of(lay_out(options, files, TCG).shape)
    assert key_of(lay_out(options, files, TCG).shape) == before != key_of(laid_out(options).shape)
    base.write_bytes(b"three")
    assert key_of(lay_out(options, files, TCG).shape) != before
