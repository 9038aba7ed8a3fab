"""The Vagrantfile at the top, read by the real vagrant."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent.parent
VAGRANTFILE = TOP / "Vagrantfile"

pytestmark = pytest.mark.skipif(
    shutil.which("vagrant") is None, reason="no vagrant here (Debian: apt install vagrant vagrant-libvirt)"
)


def vagrant(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "VAGRANT_HOME": str(folder / "home"), "VAGRANT_CHECKPOINT_DISABLE": "1", **variables}
    return subprocess.run(["vagrant", *arguments], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(VAGRANTFILE, tmp_path)
    return tmp_path


def test_it_is_valid(folder: Path) -> None:
    checked = vagrant(folder, "validate", "--ignore-provider")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_it_is_valid_for_libvirt(folder: Path) -> None:
    if "vagrant-libvirt" not in vagrant(folder, "plugin", "list").stdout:
        pytest.skip("no vagrant-libvirt here (Debian: apt install vagrant-libvirt)")
    checked = vagrant(folder, "validate", VAGRANT_DEFAULT_PROVIDER="libvirt")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    (folder / "Vagrantfile").write_text(VAGRANTFILE.read_text().replace("libvirt.memory", "libvirt.memroy"))
    assert vagrant(folder, "validate", VAGRANT_DEFAULT_PROVIDER="libvirt").returncode != 0


def test_an_accelerator_that_is_none_is_told(folder: Path) -> None:
    checked = vagrant(folder, "validate", "--ignore-provider", MSGPORT_ACCEL="vroom")
    assert checked.returncode == 1 and "MSGPORT_ACCEL=vroom is none of kvm, tcg" in checked.stderr


@pytest.mark.parametrize(("name", "value"), [("MSGPORT_CPUS", "four"), ("MSGPORT_MEMORY", "0")])
def test_a_number_that_is_none_is_told(folder: Path, name: str, value: str) -> None:
    checked = vagrant(folder, "validate", "--ignore-provider", **{name: value})
    assert checked.returncode == 1 and f"{name}={value} is not a whole number above 0" in checked.stderr


EVALUATE = """
Config = Struct.new(:calls) do
  def method_missing(name, *arguments, **options)
    child = (@children ||= Hash.new { |all, key| all[key] = Config.new(calls) })[name]
    calls << [name, *arguments, options] unless arguments.empty? && options.empty?
    yield child if block_given?
    child
  end
  def respond_to_missing?(*) = true
end
module Vagrant
  def self.configure(_version) = yield(Config.new($calls = []))
end
load ARGV[0]
$calls.each { |call| puts call.inspect }
"""


def evaluate(folder: Path, **variables: str) -> str:
    """The settings that it makes, line by line."""
    ruby = shutil.which("ruby")
    if ruby is None:
        pytest.skip("no ruby here, which Debian's vagrant brings")
    command = [ruby, "-e", EVALUATE, str(folder / "Vagrantfile")]
    environment = {**os.environ, **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(("accelerator", "driver"), [("kvm", "kvm"), ("tcg", "qemu")])
def test_libvirt_and_qemu_run_the_guest_with_the_accelerator_that_is_named(
    folder: Path, accelerator: str, driver: str
) -> None:
    said = evaluate(folder, MSGPORT_ACCEL=accelerator)
    assert f'[:driver=, "{driver}"' in said and f'[:machine=, "q35,hpet=off,accel={accelerator}"' in said


def test_all_three_providers_get_cpus_memory_and_the_serial_log(folder: Path) -> None:
    said = evaluate(folder, MSGPORT_CPUS="3", MSGPORT_MEMORY="768", MSGPORT_SERIAL="logs/s.log")
    log = folder / "logs" / "s.log"
    assert said.count("[:cpus=, 3") == 2 and said.count("[:memory=, 768") == 2
    assert '[:smp=, "3"' in said and '[:memory=, "768M"' in said
    assert said.count(str(log)) == 3 and log.parent.is_dir()
    assert '"generic/dragonflybsd6"' in said and "[:boot_timeout=, 1800" in said and '[:shell=, "sh"' in said
    assert '[:nic_model_type=, "e1000"' in said and '[:net_device=, "e1000"' in said
