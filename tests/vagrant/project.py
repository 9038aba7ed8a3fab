"""A folder with a Vagrantfile for the stand-in of vagrant beside this file, whose guest is the loopback machine."""

from __future__ import annotations

from pathlib import Path

from tests.ssh.host import SSHD, Host

PROGRAM = Path(__file__).parent / "vagrant"
SSH_CONFIG = """\
Host default
  HostName 127.0.0.1
  User {user}
  Port {port}
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
  PasswordAuthentication no
  IdentityFile "{key}"
  IdentitiesOnly yes
  LogLevel FATAL
"""


def write_project(host: Host, folder: Path) -> Path:
    """Make the folder; what its vagrant prints of the guest is in files there."""
    folder.mkdir()
    (folder / "Vagrantfile").touch()
    (folder / "ssh-config").write_text(SSH_CONFIG.format(user=host.user, port=host.port, key=host.key))
    (folder / "guest").write_text(f"GUEST={host.state}\nGUEST_BIN={host.bin}\nGUEST_SSHD={SSHD}\n")
    return folder
