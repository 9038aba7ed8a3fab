"""Each line of the doctor, on a host made up for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from msgport_vm.doctor import BOX, Finding, Host, Ran, State, report

KVM = Path("/dev/kvm")


@dataclass
class MadeUp:
    """A host that has everything, unless it is told otherwise."""

    programs: set[str] = field(
        default_factory=lambda: {"apt-get", "cc", "ld", "qemu-system-x86_64", "vagrant", "ssh", "ssh-add"}
    )
    answers: dict[str, Ran | None] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    kvm: bool = True
    kvm_usable: bool = True
    libvirtd: set[str] = field(default_factory=lambda: {"/run/libvirt/libvirt-sock"})
    libvirtd_usable: bool = True
    trouble: str = ""
    variables: dict[str, str] = field(default_factory=lambda: {"SSH_AUTH_SOCK": "/agent"})
    keys: list[Path] = field(default_factory=list)
    booted: list[str] = field(default_factory=list)

    def which(self, program: str) -> str | None:
        return f"/bin/{program}" if program in self.programs else None

    def run(self, command: Sequence[str], text: str = "") -> Ran | None:
        line = " ".join((Path(command[0]).name, *command[1:]))
        usual = {
            "cc --version": Ran(0, "cc (Debian) 12.2\nCopyright\n"),
            "qemu-system-x86_64 --version": Ran(0, "QEMU emulator version 7.2\n"),
            "qemu-system-x86_64 -netdev help": Ran(0, "Available netdev backend types:\ntap\nuser\n"),
            "vagrant --version": Ran(0, "Vagrant 2.3.4\n"),
            "vagrant plugin list": Ran(0, "vagrant-libvirt (0.11.2, system)\n"),
            "vagrant box list": Ran(0, f"{BOX} (libvirt, 4.3.12)\n"),
            "ssh-add -l": Ran(0, "256 SHA256:abc me (ED25519)\n"),
            "cc -fsyntax-only -x c -": Ran(0, "") if "pthread.h" in text else Ran(1, "no trial"),
        }
        return {**usual, **self.answers}[line]

    def exists(self, path: Path) -> bool:
        return self.kvm if path == KVM else str(path) in self.libvirtd

    def usable(self, path: Path) -> bool:
        return self.kvm_usable if path == KVM else self.libvirtd_usable

    def importable(self, module: str) -> bool:
        return module not in self.absent

    def environment(self, name: str) -> str:
        return self.variables.get(name, "")

    def private_keys(self) -> Sequence[Path]:
        return self.keys

    def accelerator_trouble(self, qemu: str, name: str) -> str:
        self.booted.append(f"{qemu} {name}")
        return self.trouble


def finding(host: MadeUp, target: str, need: str) -> Finding:
    (found,) = [each for each in report(host) if (each.target, each.need) == (target, need)]
    return found


def test_a_host_that_has_everything_needs_nothing() -> None:
    host = MadeUp()
    found = report(host)
    assert {each.state for each in found} == {State.OK} and not any(each.fix for each in found)
    assert [each.target for each in found] == [
        *(
            "userland",
            "qemu",
            "qemu",
            "qemu",
            "qemu",
            "qemu",
            "vagrant",
            "vagrant",
            "vagrant",
            "vagrant",
            "ssh",
            "ssh",
            "image",
        )
    ]
    assert finding(host, "userland", "C compiler").detail == "cc (Debian) 12.2"
    assert finding(host, "qemu", "qemu-system-x86_64").detail == "QEMU emulator version 7.2"


def without(*programs: str, **changes: object) -> MadeUp:
    host = MadeUp(**changes)  # type: ignore[arg-type]
    host.programs -= set(programs)
    return host


@pytest.mark.parametrize(
    ("host", "target", "need", "state", "detail", "fix"),
    [
        (without("cc"), "userland", "C compiler", State.MISSING, "tried cc, gcc, clang", "apt install gcc libc6-dev"),
        (without(variables={"CC": "tcc"}), "userland", "C compiler", State.MISSING, "tried tcc", "unset CC"),
        (
            without(variables={"CC": "cc -O1"}, answers={"cc -O1 -fsyntax-only -x c -": Ran(1, "no -O1")}),
            *("userland", "C compiler", State.MISSING, "compiles nothing: no -O1", "libc6-dev"),
        ),
        (
            without(variables={"CC": "cc '"}),
            *("userland", "C compiler", State.MISSING, "does not name one", "unset CC"),
        ),
        (
            without(answers={"cc -fsyntax-only -x c -": Ran(1, "pthread.h: No such file\nmore")}),
            *("userland", "C compiler", State.MISSING, "compiles nothing: pthread.h: No such file", "libc6-dev"),
        ),
        (
            without(answers={"cc -fsyntax-only -x c -": None}),
            *("userland", "C compiler", State.MISSING, "does not run", "gcc"),
        ),
        (
            without("qemu-system-x86_64"),
            *("qemu", "qemu-system-x86_64", State.MISSING, "not on the path", "sudo apt install qemu-system-x86"),
        ),
        (
            without(absent={"qemu.qmp", "pycdlib"}),
            *("qemu", "Python packages", State.MISSING, "not there: pycdlib, qemu.qmp", "pip install 'msgport[vm]'"),
        ),
        (without("cc"), "qemu", "C compiler and ld", State.WORSE, "--kernel and --sysdir need it", "apt install gcc"),
        (without("ld"), "qemu", "C compiler and ld", State.WORSE, "no ld on the path", "apt install binutils"),
        (
            without(answers={"qemu-system-x86_64 -netdev help": Ran(0, "Available netdev backend types:\ntap\n")}),
            *("qemu", "network for guests", State.WORSE, "without user-mode networking; --network", "libslirp"),
        ),
        (without("qemu-system-x86_64"), "qemu", "network for guests", State.WORSE, "not tried", "see above"),
        (without("ssh"), "qemu", "network for guests", State.WORSE, "no ssh on the path", "apt install openssh-client"),
        (without(kvm=False), "qemu", "hardware acceleration", State.WORSE, "no /dev/kvm", "modprobe"),
        (without(kvm_usable=False), "qemu", "hardware acceleration", State.WORSE, "not for you", "usermod -aG kvm"),
        (
            without(trouble="opens, but a guest hangs in it"),
            *("qemu", "hardware acceleration", State.WORSE, "guest hangs in it: guests are emulated", "nested"),
        ),
        (
            without("qemu-system-x86_64"),
            *("qemu", "hardware acceleration", State.WORSE, "not tried", "see above"),
        ),
        (without("vagrant"), "vagrant", "vagrant", State.MISSING, "not on the path", "apt install vagrant"),
        (
            without(answers={"vagrant plugin list": Ran(0, "No plugins installed.\n")}),
            *("vagrant", "provider", State.MISSING, "neither", "apt install vagrant-libvirt"),
        ),
        (
            without(answers={"vagrant plugin list": None}),
            *("vagrant", "provider", State.MISSING, "neither", "vagrant plugin install vagrant-qemu"),
        ),
        (
            without(libvirtd=set()),
            *("vagrant", "provider", State.MISSING, "nobody listens on /run/libvirt/libvirt-sock"),
            "apt install libvirt-daemon-system, then sudo systemctl start libvirtd",
        ),
        (
            without(libvirtd_usable=False),
            *("vagrant", "provider", State.MISSING, "libvirt-sock is there, but not for you", "usermod -aG libvirt"),
        ),
        (
            without("qemu-system-x86_64", answers={"vagrant plugin list": Ran(0, "vagrant-qemu (0.3, global)\n")}),
            *("vagrant", "provider", State.MISSING, "no qemu-system-x86_64", "apt install qemu-system-x86"),
        ),
        (
            without(answers={"vagrant box list": Ran(0, "There are no installed boxes!\n")}),
            *("vagrant", "box", State.WORSE, "first run gets it", f"vagrant box add {BOX}"),
        ),
        (without(absent={"paramiko"}), "vagrant", "Python packages", State.MISSING, "paramiko", "pip"),
        (without(absent={"paramiko"}), "ssh", "Python packages", State.MISSING, "paramiko", "pip"),
        (
            without(answers={"ssh-add -l": Ran(1, "The agent has no identities.\n")}),
            *("ssh", "keys", State.MISSING, "none in an agent", "ssh-keygen -t ed25519"),
        ),
        (without(variables={}), "ssh", "keys", State.MISSING, "none in an agent", "ssh-copy-id"),
        (without(variables={}, keys=[Path("id_rsa")]), "ssh", "keys", State.OK, "in files: id_rsa", "ssh-add"),
        (without(absent={"requests"}), "image", "Python packages", State.MISSING, "requests", "pip"),
    ],
)
def test_what_is_missing_is_told_with_what_mends_it(
    host: MadeUp, target: str, need: str, state: State, detail: str, fix: str
) -> None:
    found = finding(host, target, need)
    assert found.state is state and detail in found.detail and fix in found.fix


@pytest.mark.parametrize(
    ("installer", "command"),
    [
        ("dnf", "sudo dnf install gcc"),
        ("brew", "brew install gcc"),
        ("pkg", "pkg install llvm"),
        ("", "Debian's names"),
    ],
)
def test_the_command_is_that_of_the_hosts_own_installer(installer: str, command: str) -> None:
    assert command in finding(MadeUp(programs={installer}), "userland", "C compiler").fix


def test_virtualbox_is_a_provider_without_a_plugin() -> None:
    host = MadeUp(answers={"vagrant plugin list": Ran(0, "")})
    host.programs.add("VBoxManage")
    assert finding(host, "vagrant", "provider").detail == "virtualbox"


@pytest.mark.parametrize(
    "changes",
    [
        {"libvirtd": {"/run/libvirt/virtqemud-sock"}},
        {"libvirtd": set(), "variables": {"LIBVIRT_DEFAULT_URI": "qemu+ssh://host/system"}},
    ],
)
def test_a_libvirt_in_another_place_is_a_provider_too(changes: dict[str, object]) -> None:
    assert finding(without(**changes), "vagrant", "provider").detail == "libvirt"


def test_an_accelerator_is_tried_with_a_guest_and_only_where_one_can_run() -> None:
    host = MadeUp()
    report(host)
    assert host.booted == ["/bin/qemu-system-x86_64 kvm"]
    for host in (
        without("qemu-system-x86_64"),
        MadeUp(kvm=False),
        MadeUp(kvm_usable=False),
        MadeUp(absent={"qemu.qmp"}),
    ):
        report(host)
        assert host.booted == []


def test_the_real_host_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host()
    assert host.which("sh") and host.which("no-such-program") is None
    assert host.run(["sh", "-c", "cat; echo x >&2; exit 3"], "in\n") == Ran(3, "in\nx\n")
    assert host.run(["/no/such/program"]) is None
    assert host.importable("json") and not host.importable("no_such_package.inside")
    assert host.exists(tmp_path) and host.usable(tmp_path) and not host.exists(tmp_path / "x")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CC", "cc")
    (tmp_path / ".ssh").mkdir()
    for name in ("id_ed25519", "id_ed25519.pub", "config"):
        (tmp_path / ".ssh" / name).touch()
    assert [path.name for path in host.private_keys()] == ["id_ed25519"] and host.environment("CC") == "cc"
