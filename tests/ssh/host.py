"""A real sshd on loopback whose commands stand in for DragonFly's: see bin/.

Modules run on the userland machine, a process each, so that real records come back.
"""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from msgport_vm.connection import Trust
from msgport_vm.ssh import Patience
from msgport_vm.userland import MODULE_FLAGS, build_runtime, default_cache, default_sources, find_compiler

BIN = Path(__file__).parent / "bin"
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
SFTP = next(
    (place for place in map(Path, ("/usr/lib/openssh/sftp-server", "/usr/libexec/sftp-server")) if place.exists()), None
)
KEYGEN = shutil.which("ssh-keygen")
PRIVILEGE_SEPARATION = Path("/run/sshd")

IMPATIENT = Patience(answer=30, build=60, unload=60, comeback=60, last_words=30)

CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {state}/host_key
PidFile none
AuthorizedKeysFile {state}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp {sftp}
SetEnv "PATH={path}" "STATE={state}" "LWKT={lwkt}" "CC_MODULE={cc}" "SSHD={sshd}" "SHLVL=2" "TMPDIR={tmp}"
"""
"""SHLVL keeps a login shell that is bash from reading the user's .bashrc, which may change the path."""


def skip_without_sshd() -> None:
    """Skip the test that asks, with the reason, where there is no ssh server."""
    if SSHD is None or SFTP is None or KEYGEN is None:
        pytest.skip("no ssh server here (Debian: apt install openssh-server)")


def make_key(path: Path) -> Path:
    """A new key without a passphrase; its public half beside it."""
    assert KEYGEN is not None
    subprocess.run([KEYGEN, "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def hold_port() -> socket.socket:
    """A port that nobody else is given, on which a server may listen all the same."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return holder


def free_port() -> int:
    with hold_port() as held:
        port: int = held.getsockname()[1]
        return port


@dataclass
class Host:
    """The stand-in: its folder, and where its sshd listens, which is ``held`` for it."""

    folder: Path
    port: int
    held: socket.socket

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @property
    def user(self) -> str:
        return getpass.getuser()

    @property
    def url(self) -> str:
        return f"ssh://{self.user}@127.0.0.1:{self.port}"

    @property
    def key(self) -> Path:
        return self.folder / "user_key"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def trust(self) -> Trust:
        return Trust(self.known_hosts, keys=(self.key,))

    def program(self, name: str, script: str) -> None:
        """Put another program in place of one of DragonFly's; the one before is then ``NAME.before``."""
        path = self.bin / name
        if path.exists():
            path.rename(path.with_name(f"{name}.before"))
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def says(self, text: str) -> None:
        """Let its kernel print something."""
        with (self.state / "msgbuf").open("a") as buffer:
            buffer.write(text)

    @property
    def modules(self) -> set[str]:
        """What is loaded."""
        return {path.name for path in (self.state / "kld").iterdir()}

    @property
    def tunables(self) -> set[str]:
        """What is in its kernel environment."""
        return {path.name for path in (self.state / "kenv").iterdir()}

    def setting(self, name: str) -> str:
        return (self.state / "sysctl" / name).read_text().strip()

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self.bin}:/usr/bin:/bin"
        return {**os.environ, "PATH": path, "STATE": str(self.state), "SSHD": str(SSHD)}

    def drop_connections(self) -> None:
        """Cut every connection; the machine goes on and takes new ones."""
        subprocess.run([str(self.bin / "cut-connections")], env=self.environment, check=True)
        self.start()

    def start(self) -> None:
        """Start its sshd, and wait until that listens."""
        subprocess.run([str(self.bin / "start-sshd")], env=self.environment, check=True)
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() >= deadline:
                    log = self.state / "sshd.log"
                    raise AssertionError(f"sshd does not come up: {log.read_text() if log.exists() else ''}") from None
                time.sleep(0.02)

    def stop(self) -> None:
        """End every process of it."""
        subprocess.run([str(self.bin / "power-off")], env=self.environment, check=True)
        self.held.close()


def start_host(folder: Path, cpus: int = 4, system: str = "DragonFly") -> Host:
    """Make a stand-in in an empty folder, which calls itself ``system``, and start it."""
    skip_without_sshd()
    held = hold_port()
    host = Host(folder, held.getsockname()[1], held)
    shutil.copytree(BIN, host.bin)
    for name in ("kld", "kenv", "sysctl", "tmp"):
        (host.state / name).mkdir(parents=True)
    (host.state / "ncpu").write_text(f"{cpus}\n")
    (host.state / "ostype").write_text(f"{system}\n")
    (host.state / "boottime").write_text("1700000000\n")
    (host.state / "msgbuf").write_text("Copyright (c) 2003-2026 The DragonFly Project.\nlast line of the boot\n")
    settings = {"kern.osreldate": "600400", "kern.vmm_guest": "none", "debug.use_malloc_pattern": "0"}
    settings |= {"debug.debugger_on_panic": "1", "debug.trace_on_panic": "0"}
    for name, value in settings.items():
        (host.state / "sysctl" / name).write_text(f"{value}\n")
    make_key(host.key)
    make_key(host.state / "host_key")
    shutil.copy(host.key.with_suffix(".pub"), host.state / "authorized_keys")
    public = (host.state / "host_key.pub").read_text().split()
    host.known_hosts.write_text(f"[127.0.0.1]:{host.port} {public[0]} {public[1]}\n")
    toolchain = find_compiler()
    runtime = build_runtime(default_sources(), toolchain, "", default_cache())
    cc = shlex.join((*toolchain.command, *MODULE_FLAGS, "-I", str(runtime.include)))
    (host.state / "sshd_config").write_text(
        CONFIG.format(
            port=host.port,
            state=host.state,
            sftp=SFTP,
            path=f"{host.bin}:/usr/bin:/bin",
            tmp=host.state / "tmp",
            lwkt=runtime.program,
            cc=cc,
            sshd=SSHD,
        )
    )
    if os.geteuid() == 0:
        # Where nobody has started an ssh server yet, its empty folder is not there.
        PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    host.start()
    return host


def write_module(folder: Path, body: str, name: str = "probe") -> Path:
    """The source folder of a module whose handler has ``body``: ``type`` is what it is asked to do."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.c").write_text(
        "#include <sys/param.h>\n#include <sys/systm.h>\n#include <sys/kernel.h>\n#include <sys/module.h>\n"
        f"static int\nevent(module_t mod __unused, int type, void *arg __unused)\n{{\n{body}\n\treturn (0);\n}}\n"
        f'static moduledata_t data = {{ "{name}", event, NULL }};\n'
        f"DECLARE_MODULE({name}, data, SI_SUB_PSEUDO, SI_ORDER_ANY);\n"
    )
    (folder / "Makefile").write_text(f"KMOD=\t{name}\nSRCS=\t{name}.c\n.include <bsd.kmod.mk>\n")
    return folder


if sys.platform != "linux":  # setsid(1), /bin/sh as the login shell's command and the like are Linux's here.
    SSHD = None
