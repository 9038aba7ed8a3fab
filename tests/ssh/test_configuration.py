"""The user's own ssh configuration, where nothing else was said."""

from __future__ import annotations

from pathlib import Path

import pytest

from msgport_vm.connection import Address, configured
from msgport_vm.machine import MachineError
from msgport_vm.ssh import SshMachine
from tests.ssh.host import IMPATIENT, Host


def test_a_name_of_the_users_configuration_is_followed(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    ssh = tmp_path / ".ssh"
    ssh.mkdir()
    ssh.joinpath("known_hosts").write_text(host.known_hosts.read_text())
    ssh.joinpath("config").write_text(
        f"Host dfly\n  HostName 127.0.0.1\n  Port {host.port}\n  IdentityFile {host.key}\n  IdentityFile ~/.ssh/none\n"
    )
    with SshMachine(f"ssh://{host.user}@dfly", patience=IMPATIENT) as machine:
        assert machine.boot().extra["address"] == host.url


@pytest.mark.parametrize("line", ['UserKnownHostsFile none ~/"my hosts"', ""])
def test_each_file_of_known_hosts_counts(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    ssh = tmp_path / ".ssh"
    ssh.mkdir()
    place = tmp_path / "my hosts" if line else ssh / "known_hosts2"
    place.write_text(host.known_hosts.read_text())
    ssh.joinpath("known_hosts").write_text("@cert-authority *.example ssh-rsa AAAA\nno key at all\n# a b c\n")
    ssh.joinpath("config").write_text(f"Host *\n  {line}\n  IdentityFile {host.key}\n")
    with SshMachine(host.url, patience=IMPATIENT) as machine:
        assert machine.boot().extra["address"] == host.url


def test_a_port_in_the_address_wins(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host a\n  HostName b\n  Port 23\n")
    assert configured(Address("root", "a", 24), config)[0] == Address("root", "b", 24)
    assert configured(Address("root", "a", 22), config)[0] == Address("root", "b", 22)
    assert configured(Address("root", "a"), config)[0] == Address("root", "b", 23)
    assert configured(Address("root", "c"), tmp_path / "none")[0] == Address("root", "c")


@pytest.mark.parametrize("line", ["ProxyJump gate", "ProxyCommand ssh gate nc %h %p"])
def test_a_way_through_another_machine_is_refused_with_a_way_out(tmp_path: Path, line: str) -> None:
    config = tmp_path / "config"
    config.write_text(f"Host a\n  {line}\n")
    with pytest.raises(MachineError, match=r"ssh -f -N -L 2222:localhost:22 a\nand use ssh://root@localhost:2222"):
        configured(Address("root", "a"), config)


def test_a_configuration_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host a\n  Port many\n")
    with pytest.raises(MachineError, match="cannot be read"):
        configured(Address("root", "a"), config)
