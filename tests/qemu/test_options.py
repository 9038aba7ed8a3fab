"""What a user asks for, as QEMU's command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from msgport_vm.machine import MachineError
from msgport_vm.qemu_accelerator import Accelerator
from msgport_vm.qemu_options import MULTIBOOT, ROOT, QemuOptions, image_format, lay_out
from msgport_vm.qemu_states import key_of

TCG = Accelerator("tcg")


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
    with pytest.raises(MachineError, match=r"cannot read the image .*gone\.iso: No such file"):
        lay_out(QemuOptions(image=tmp_path / "gone.iso"), TCG)


def test_a_live_cd_is_read_only_and_the_modules_come_on_a_second(tmp_path: Path) -> None:
    layout = lay_out(QemuOptions(image=iso(tmp_path)), TCG)
    drives = [word for word in layout.arguments if "dfly.iso" in word]
    assert len(drives) == 1 and "readonly=on" in drives[0]
    assert layout.overlay is None
    assert (layout.disc_device, layout.disc_overlay) == ("/dev/cd1", False)


@pytest.mark.parametrize("bus", ["ahci", "virtio"])
def test_a_disk_image_is_never_opened_for_writing(tmp_path: Path, bus: str) -> None:
    layout = lay_out(QemuOptions(image=raw(tmp_path), bus=bus), TCG)  # type: ignore[arg-type]
    assert not any("dfly.img" in word for word in layout.arguments)
    assert layout.overlay == raw(tmp_path)
    assert ROOT in layout.files


def test_a_multiboot_kernel_is_booted_with_its_command_line(tmp_path: Path) -> None:
    layout = lay_out(QemuOptions(image=raw(tmp_path), kernel=kernel(tmp_path), append="-s", bus="virtio"), TCG)
    at = layout.arguments.index("-kernel")
    assert layout.arguments[at + 1 : at + 4] == (str(kernel(tmp_path)), "-append", "-s")
    assert not any("bootindex" in word for word in layout.arguments)
    assert (layout.disc_device, layout.disc_overlay) == ("/dev/vbd1", True)


def test_a_kernel_that_qemu_cannot_boot_is_refused_with_the_way_out(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(b"\x7fELF" + bytes(1000))
    with pytest.raises(MachineError, match=r"no multiboot header.*/boot/kernel/kernel"):
        lay_out(QemuOptions(kernel=plain), TCG)


def test_nothing_to_boot_and_impossible_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs an image"):
        QemuOptions()
    with pytest.raises(ValueError, match="not 0"):
        QemuOptions(image=tmp_path, cpus=0)
    with pytest.raises(ValueError, match="128 MB"):
        QemuOptions(image=tmp_path, memory=64)


@pytest.mark.parametrize(
    "change", [{"cpus": 2}, {"memory": 2048}, {"loader": {"boot_verbose": "YES"}}, {"arguments": ("-rtc", "base=utc")}]
)
def test_every_option_that_shapes_the_machine_is_in_its_key(tmp_path: Path, change: dict[str, object]) -> None:
    image = iso(tmp_path)
    same = key_of(lay_out(QemuOptions(image=image), TCG).shape)
    assert key_of(lay_out(QemuOptions(image=image), TCG).shape) == same
    assert key_of(lay_out(QemuOptions(image=image, **change), TCG).shape) != same  # type: ignore[arg-type]
    assert key_of(lay_out(QemuOptions(image=image), Accelerator("kvm")).shape) != same
