"""What each target needs on this host: what is there, what is missing, and the command that mends it.

The checks are pure; all that they know of the host comes through a Probe.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

COMMAND_TIMEOUT = 60.0
ABOVE = "see above"


class State(StrEnum):
    """How it stands with one need: ``worse`` means that the target works, but not as well as it could."""

    OK = "ok"
    WORSE = "worse"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """One need of one target; ``fix`` is what to type or do, empty when there is nothing to mend."""

    target: str
    need: str
    state: State
    detail: str
    fix: str = ""


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it printed, errors included."""

    status: int
    output: str


class Probe(Protocol):
    """A look at the host."""

    def which(self, program: str) -> str | None:
        """Where a program is on the path."""

    def run(self, command: Sequence[str], text: str = "") -> Ran | None:
        """Run a command with ``text`` as its input; None when it does not start or end."""

    def exists(self, path: Path) -> bool:
        """Whether there is such a file."""

    def usable(self, path: Path) -> bool:
        """Whether it may be read and written."""

    def importable(self, module: str) -> bool:
        """Whether Python finds a module."""

    def environment(self, name: str) -> str:
        """A variable of the environment; empty when it is not set."""

    def private_keys(self) -> Sequence[Path]:
        """The user's ssh keys that lie in files."""

    def accelerator_trouble(self, qemu: str, name: str) -> str:
        """Why QEMU's accelerator runs no guest here, found out by booting one; empty when it does."""


class Host:
    """The real host as a Probe."""

    def which(self, program: str) -> str | None:
        """See Probe."""
        return shutil.which(program)

    def run(self, command: Sequence[str], text: str = "") -> Ran | None:
        """See Probe."""
        try:
            done = subprocess.run(
                command,
                input=text,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=COMMAND_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return Ran(done.returncode, done.stdout)

    def exists(self, path: Path) -> bool:
        """See Probe."""
        return path.exists()

    def usable(self, path: Path) -> bool:
        """See Probe."""
        return os.access(path, os.R_OK | os.W_OK)

    def importable(self, module: str) -> bool:
        """See Probe."""
        try:
            return importlib.util.find_spec(module) is not None
        except ModuleNotFoundError:  # of the package that it is in
            return False

    def environment(self, name: str) -> str:
        """See Probe."""
        return os.environ.get(name, "")

    def private_keys(self) -> Sequence[Path]:
        """See Probe."""
        return sorted(path for path in (Path.home() / ".ssh").glob("id_*") if path.suffix != ".pub")

    def accelerator_trouble(self, qemu: str, name: str) -> str:
        """See Probe."""
        from msgport_vm.qemu_accelerator import runs
        from msgport_vm.qemu_process import Program
        from msgport_vm.userland import default_cache

        return runs(Program(qemu), name, default_cache() / "qemu")


_INSTALLERS = {
    "apt-get": "sudo apt install",
    "dnf": "sudo dnf install",
    "pacman": "sudo pacman -S",
    "brew": "brew install",
    "pkg": "pkg install",
}

_PACKAGES: Mapping[str, Mapping[str, str]] = {
    "cc": {"apt-get": "gcc libc6-dev", "dnf": "gcc", "pacman": "gcc", "brew": "gcc", "pkg": "llvm"},
    "qemu": {
        "apt-get": "qemu-system-x86",
        "dnf": "qemu-system-x86",
        "pacman": "qemu-system-x86",
        "brew": "qemu",
        "pkg": "qemu",
    },
    "ld": {**dict.fromkeys(_INSTALLERS, "binutils"), "apt-get": "binutils"},
    "ssh": {
        "apt-get": "openssh-client",
        "dnf": "openssh-clients",
        **dict.fromkeys(("pacman", "brew", "pkg"), "openssh"),
    },
    "vagrant": dict.fromkeys(_INSTALLERS, "vagrant"),
    "libvirt": {"apt-get": "vagrant-libvirt libvirt-daemon-system", "dnf": "vagrant-libvirt"},
    "libvirtd": {"apt-get": "libvirt-daemon-system", "dnf": "libvirt-daemon-kvm", "pacman": "libvirt"},
}

_LIBVIRT_SOCKETS = (Path("/run/libvirt/libvirt-sock"), Path("/run/libvirt/virtqemud-sock"))
BOX = "generic/dragonflybsd6"


def report(probe: Probe | None = None) -> list[Finding]:
    """Look at everything, target by target."""
    look = probe or Host()
    checks: tuple[Callable[[Probe], Iterator[Finding]], ...] = (_userland, _qemu, _vagrant, _ssh, _image)
    return [finding for check in checks for finding in check(look)]


def _install(probe: Probe, what: str) -> str:
    """The command that installs something here; without a known installer, what to install."""
    for installer, command in _INSTALLERS.items():
        if probe.which(installer) and installer in _PACKAGES[what]:
            return f"{command} {_PACKAGES[what][installer]}"
    return f"install {_PACKAGES[what]['apt-get']} (Debian's names)"


def _python(probe: Probe, target: str, *modules: str) -> Finding:
    need = "Python packages"
    lacking = [module for module in modules if not probe.importable(module)]
    if lacking:
        fix = "pip install 'msgport[vm]' (in a checkout: pip install -e '.[vm]')"
        return Finding(target, need, State.MISSING, f"not there: {', '.join(lacking)}", fix)
    return Finding(target, need, State.OK, ", ".join(modules))


def _first_line(ran: Ran | None) -> str:
    return ran.output.strip().partition("\n")[0] if ran and ran.status == 0 else ""


def _compiler(probe: Probe) -> tuple[str, str, str]:
    """The C compiler, empty when there is none that works; what to say of it, and what mends it."""
    asked = probe.environment("CC").strip()
    try:
        # Words of a shell, as find_compiler() takes them.
        candidates = [shlex.split(asked)] if asked else [["cc"], ["gcc"], ["clang"]]
    except ValueError as error:
        return "", f"CC={asked} does not name one: {error}", "unset CC, or quote it as for a shell"
    found = ((path, options) for name, *options in candidates if (path := probe.which(name)))
    path, options = next(found, ("", []))
    if not path:
        fix = f"unset CC, or name a compiler that is there: CC={asked} is not" if asked else _install(probe, "cc")
        return "", f"none on the path (tried {', '.join(map(shlex.join, candidates))})", fix
    trial = "#include <pthread.h>\n#include <dlfcn.h>\nint main(void) { return (0); }\n"
    tried = probe.run([path, *options, "-fsyntax-only", "-x", "c", "-"], trial)
    if tried is None or tried.status != 0:
        said = tried.output.strip().partition("\n")[0] if tried else "it does not run"
        return "", f"{path} compiles nothing: {said}", _install(probe, "cc")
    return path, _first_line(probe.run([path, *options, "--version"])) or path, ""


def _userland(probe: Probe) -> Iterator[Finding]:
    path, detail, fix = _compiler(probe)
    yield Finding("userland", "C compiler", State.OK if path else State.MISSING, detail, fix)


def _qemu(probe: Probe) -> Iterator[Finding]:
    qemu = probe.which("qemu-system-x86_64")
    need = "qemu-system-x86_64"
    if qemu is None:
        yield Finding("qemu", need, State.MISSING, "not on the path", _install(probe, "qemu"))
    else:
        yield Finding("qemu", need, State.OK, _first_line(probe.run([qemu, "--version"])) or qemu)
    python = _python(probe, "qemu", "paramiko", "pexpect", "pycdlib", "elftools", "qemu.qmp")
    yield python
    need, uses = "C compiler and ld", "--kernel and --sysdir need it"
    compiler, detail, fix = _compiler(probe)
    if not compiler:
        yield Finding("qemu", need, State.WORSE, f"{detail}; {uses}", fix)
    elif probe.which("ld") is None:
        yield Finding("qemu", need, State.WORSE, f"no ld on the path; {uses}", _install(probe, "ld"))
    else:
        yield Finding("qemu", need, State.OK, detail)
    yield _network(probe, qemu)
    yield _kvm(probe, qemu if python.state is State.OK else None)


def _network(probe: Probe, qemu: str | None) -> Finding:
    need, uses = "network for guests", "--network and `vm ssh` need it"
    backends = probe.run([qemu, "-netdev", "help"]) if qemu else None
    if backends is None or "user" not in backends.output.split():
        trouble, fix = "QEMU was built without user-mode networking", "a QEMU that was built with libslirp"
        return Finding("qemu", need, State.WORSE, f"{trouble if qemu else 'not tried'}; {uses}", fix if qemu else ABOVE)
    if probe.which("ssh") is None:
        return Finding("qemu", need, State.WORSE, f"no ssh on the path; {uses}", _install(probe, "ssh"))
    return Finding("qemu", need, State.OK, "user-mode network of QEMU, ssh")


def _kvm(probe: Probe, qemu: str | None) -> Finding:
    need, device = "hardware acceleration", Path("/dev/kvm")
    if not probe.exists(device):
        return Finding(
            "qemu", need, State.WORSE, "no /dev/kvm: guests are emulated, which is slow",
            "switch virtualization on in the firmware, then sudo modprobe kvm_intel (or kvm_amd)",
        )  # fmt: skip
    if not probe.usable(device):
        fix = "sudo usermod -aG kvm $USER, then log in again; on a CI runner: sudo chmod 666 /dev/kvm"
        return Finding("qemu", need, State.WORSE, "/dev/kvm is there, but not for you: guests are emulated", fix)
    if qemu is None:
        return Finding("qemu", need, State.WORSE, "/dev/kvm opens; whether a guest runs in it was not tried", ABOVE)
    trouble = probe.accelerator_trouble(qemu, "kvm")
    if trouble:
        return Finding(
            "qemu", need, State.WORSE, f"/dev/kvm {trouble}: guests are emulated",
            "on a virtual machine: have nested virtualization switched on outside; else see dmesg about kvm",
        )  # fmt: skip
    return Finding("qemu", need, State.OK, "a guest runs under KVM")


def _vagrant(probe: Probe) -> Iterator[Finding]:
    yield _python(probe, "vagrant", "paramiko")
    vagrant = probe.which("vagrant")
    if vagrant is None:
        yield Finding("vagrant", "vagrant", State.MISSING, "not on the path", _install(probe, "vagrant"))
        return
    yield Finding("vagrant", "vagrant", State.OK, _first_line(probe.run([vagrant, "--version"])) or vagrant)
    yield _provider(probe, vagrant)
    boxes = probe.run([vagrant, "box", "list"])
    if boxes and BOX in boxes.output.split():
        yield Finding("vagrant", "box", State.OK, BOX)
    else:
        fix = f"vagrant box add {BOX}"
        yield Finding("vagrant", "box", State.WORSE, f"{BOX} is not here; the first run gets it", fix)


def _provider(probe: Probe, vagrant: str) -> Finding:
    plugins = probe.run([vagrant, "plugin", "list"])
    listed = plugins.output.split() if plugins else []
    troubles = {}
    if "vagrant-libvirt" in listed:
        troubles["libvirt"] = _libvirt_trouble(probe)
    if "vagrant-qemu" in listed:
        lacking = "the plugin vagrant-qemu is there, but no qemu-system-x86_64 on the path", _install(probe, "qemu")
        troubles["qemu"] = ("", "") if probe.which("qemu-system-x86_64") else lacking
    if probe.which("VBoxManage"):
        troubles["virtualbox"] = "", ""
    if there := [name for name, (trouble, _) in troubles.items() if not trouble]:
        return Finding("vagrant", "provider", State.OK, ", ".join(there))
    neither = "neither libvirt nor qemu nor virtualbox"
    fix = f"{_install(probe, 'libvirt')}, or vagrant plugin install vagrant-qemu"
    detail, fix = next(iter(troubles.values()), (neither, fix))
    return Finding("vagrant", "provider", State.MISSING, detail, fix)


def _libvirt_trouble(probe: Probe) -> tuple[str, str]:
    """What keeps the plugin vagrant-libvirt from working, and what mends it; both empty when nothing does."""
    if probe.environment("LIBVIRT_DEFAULT_URI"):
        return "", ""  # it may be anywhere
    sockets = [socket for socket in _LIBVIRT_SOCKETS if probe.exists(socket)]
    if not sockets:
        install = _install(probe, "libvirtd")
        where = " nor ".join(map(str, _LIBVIRT_SOCKETS))
        return (
            f"the plugin vagrant-libvirt is there, but nobody listens on {where}",
            f"{install}, then sudo systemctl start libvirtd",
        )
    if not any(map(probe.usable, sockets)):
        return f"{sockets[0]} is there, but not for you", "sudo usermod -aG libvirt $USER, then log in again"
    return "", ""


def _ssh(probe: Probe) -> Iterator[Finding]:
    yield _python(probe, "ssh", "paramiko")
    need = "keys"
    # ssh-add: 0 there are keys, 1 none, 2 no agent.
    agent = probe.run(["ssh-add", "-l"]) if probe.environment("SSH_AUTH_SOCK") else None
    if agent and agent.status == 0:
        yield Finding("ssh", need, State.OK, f"{len(agent.output.splitlines())} in the agent")
    elif keys := probe.private_keys():
        fix = "ssh-add, if one has a passphrase"
        yield Finding(
            "ssh", need, State.OK, f"no agent has any; in files: {', '.join(path.name for path in keys)}", fix
        )
    else:
        fix = "ssh-keygen -t ed25519, then ssh-copy-id USER@HOST"
        yield Finding("ssh", need, State.MISSING, "none in an agent, none in ~/.ssh", fix)


def _image(probe: Probe) -> Iterator[Finding]:
    yield _python(probe, "image", "requests")
