"""``msgport vm``: a machine for a person to look into, which stays up between commands.

Each target that has such machines is a class with the five verbs as its methods; what cannot be is refused with the way
to do it instead.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from msgport.counted import counted
from msgport.targets import SSH, TargetError, add_options, chosen

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from msgport_vm.kept import Keeper, Kept
    from msgport_vm.vagrant import Vagrant

SCHEMA = "msgport-vm-1"
OK, UNAVAILABLE = 0, 3


def add(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line; it sets ``command`` to a function from options to exit status."""
    machine = commands.add_parser("vm", help="a machine to look into: boot, console, ssh, stop, status")
    verbs = machine.add_subparsers(required=True, metavar="VERB")
    boot = verbs.add_parser(
        "boot", usage="%(prog)s [options]", help="start one that stays up; options as for `msgport run`"
    )
    add_options(boot, "qemu")
    others = {
        "console": "put this terminal on its serial console; Ctrl-] leaves it",
        "ssh": "log in to it with your ssh client",
        "stop": "end it: it is asked to power off, then made to",
        "status": "tell what is up, since when, and where its files are",
    }
    for name, text in others.items():
        verb = verbs.add_parser(name, help=text)
        verb.add_argument("--target", default="qemu", metavar="TARGET", help="default: qemu")
        verb.set_defaults(command=_command(name))
        if name == "stop":
            verb.add_argument("--now", action="store_true", help="do not wait for it to power off")
        if name == "status":
            verb.add_argument("--format", choices=["text", "json"], default="text", help="default: text")
    boot.set_defaults(command=_command("boot"))


def _command(verb: str) -> object:
    def run(options: argparse.Namespace) -> int:
        from msgport_vm.machine import MachineError

        try:
            status: int = getattr(_kind(options.target), verb)(options)
        except MachineError as error:
            _say(f"msgport: {error}" + (f"\n{error.screen}" if error.screen else ""))
            return UNAVAILABLE
        return status

    return run


class _Kind(Protocol):
    """What can be done with a target's machine; each gives an exit status."""

    def boot(self, options: argparse.Namespace) -> int: ...
    def console(self, options: argparse.Namespace) -> int: ...
    def ssh(self, options: argparse.Namespace) -> int: ...
    def stop(self, options: argparse.Namespace) -> int: ...
    def status(self, options: argparse.Namespace) -> int: ...


def _kind(target: str) -> _Kind:
    if target == "qemu":
        return _Qemu()
    if target == "vagrant":
        return _Vagrant()
    if target.startswith(SSH):
        return _Remote(target)
    raise TargetError(f"there is nothing to look into on {target}: --target qemu, vagrant or ssh://user@host")


class _Qemu:
    """A QEMU that is left to itself."""

    def _keeper(self) -> Keeper:
        from msgport_vm.kept import Keeper
        from msgport_vm.userland import default_cache

        return Keeper(default_cache())

    def _up(self) -> Kept | None:
        keeper = self._keeper()
        up = keeper.find()
        for folder in keeper.ended:
            _say(f"msgport: a machine had ended, or was killed; what it left is removed: {folder}")
        if up is None:
            _say("msgport: no machine is up; `msgport vm boot` starts one")
        return up

    def boot(self, options: argparse.Namespace) -> int:
        from msgport_vm.qemu import QemuMachine

        keeper, target = self._keeper(), chosen(options)
        with keeper.booting(), target.machine(_say) as machine:
            assert isinstance(machine, QemuMachine)
            facts = machine.boot()
            target.check(facts)
            up = machine.leave_up(keeper, facts)
        print(f"{up.about['kernel']} is up, with {counted(int(up.about['cpus']), 'CPU')} and {up.about['memory']}.")
        print("  msgport vm console   puts this terminal on its console; Ctrl-] leaves it")
        if up.ssh:
            print("  msgport vm ssh       logs in to it as root, if its ssh server runs and knows your key")
        print("  msgport vm stop      ends it; its disks forget what was written to them")
        return OK

    def console(self, options: argparse.Namespace) -> int:
        from msgport_vm.terminal import attach, raw

        keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()
        if (up := self._up()) is None:
            return UNAVAILABLE
        if not (os.isatty(keyboard) and os.isatty(screen)):
            raise TargetError(f"`vm console` needs a terminal; all that the console said is in {up.log}")
        with up.console() as line:
            _say("On the machine's console; Ctrl-] leaves it.")
            with raw(keyboard):
                left = attach(line, up.log, keyboard, screen)
        _say("\nThe machine goes on; `msgport vm stop` ends it." if left else "\nThe machine has ended.")
        return OK

    def ssh(self, options: argparse.Namespace) -> int:
        if (up := self._up()) is None:
            return UNAVAILABLE
        if up.ssh is None:
            raise TargetError(
                "the machine that is up has no network: `msgport vm console` is the way in; for ssh end it with "
                "`msgport vm stop` and boot it with --network"
            )
        return _become(up.ssh)

    def stop(self, options: argparse.Namespace) -> int:
        if (up := self._up()) is None:
            return OK
        if not options.now:
            _say("msgport: asking it to power off; --now does not")
        print(f"The machine has ended: {up.end(orderly=not options.now)}.")
        return OK

    def status(self, options: argparse.Namespace) -> int:
        up = self._up()
        if options.format == "json":
            _print_json({"target": "qemu", "up": up is not None, **(_described(up) if up else {})})
        elif up is not None:
            minutes = int((datetime.now(UTC) - datetime.fromisoformat(up.since)).total_seconds() // 60)
            print(f"qemu: up since {up.since} ({minutes} min)")
            ssh = {"ssh port": up.ssh_port} if up.ssh_port else {}
            where = {**ssh, "process": up.pid, "files": up.folder, "console log": up.log}
            for name, value in {**up.about, **where}.items():
                print(f"  {name:<14} {value}")
        return UNAVAILABLE if up is None else OK


def _described(up: Kept) -> dict[str, Any]:
    files = {"folder": str(up.folder), "log": str(up.log)}
    return {"since": up.since, "pid": up.pid, **files, "ssh_port": up.ssh_port, "about": dict(up.about)}


class _Vagrant:
    """The guest of the Vagrantfile here."""

    def _vagrant(self) -> Vagrant:
        from msgport_vm.vagrant import Vagrant

        return Vagrant("vagrant", Path.cwd(), {}, _say)

    def boot(self, options: argparse.Namespace) -> int:
        from msgport_vm.vagrant import VagrantMachine

        target = chosen(options)
        with VagrantMachine(
            cpus=target.cpus, memory=target.memory, keep=True, builder=target.builder(), log=_say
        ) as machine:
            facts = machine.boot()
            target.check(facts)
        print(f"{facts.kernel} is up, with {counted(facts.cpus, 'CPU')}.")
        print("  msgport vm ssh --target vagrant    logs in to it")
        print("  msgport vm stop --target vagrant   halts it")
        return OK

    def console(self, options: argparse.Namespace) -> NoReturn:
        raise TargetError(
            "vagrant keeps its guest's console to itself; what a guest says there is in .vagrant/serial.log, where the "
            "provider writes it. `msgport vm ssh --target vagrant` is the way in"
        )

    def ssh(self, options: argparse.Namespace) -> int:
        vagrant = self._vagrant()
        return _become([vagrant.path, "ssh"])

    def stop(self, options: argparse.Namespace) -> int:
        vagrant = self._vagrant()
        vagrant.run("halt", *(["--force"] if options.now else []), told=True)
        print("The guest is halted.")
        return OK

    def status(self, options: argparse.Namespace) -> int:
        vagrant = self._vagrant()
        said = vagrant.status()
        state, provider = said.get("state", "unknown"), said.get("provider-name", "unknown")
        if options.format == "json":
            up = {"provider": provider, "state": state, "folder": str(vagrant.folder)}
            _print_json({"target": "vagrant", "up": state == "running", **up})
        else:
            print(f"vagrant: {state}\n  {'provider':<14} {provider}\n  {'files':<14} {vagrant.folder / '.vagrant'}")
        return OK if state == "running" else UNAVAILABLE


class _Remote:
    """A machine that is somebody's, somewhere: one can log in."""

    def __init__(self, target: str) -> None:
        from msgport_vm.connection import Address

        try:
            self._address = Address.parse(target)
        except ValueError as error:
            raise TargetError(str(error)) from error

    def ssh(self, options: argparse.Namespace) -> int:
        # Without a port the user's own configuration has its say.
        port = ["-p", str(self._address.named_port)] if self._address.named_port else []
        return _become(["ssh", *port, f"{self._address.user}@{self._address.host}"])

    def _refuse(self, options: argparse.Namespace) -> NoReturn:
        raise TargetError(f"{self._address} is not started or stopped from here; `msgport vm ssh` logs in to it")

    boot = console = stop = status = _refuse


def _become(command: list[str]) -> int:
    """Be another program from now on, whose exit status is then ours."""
    sys.stdout.flush()
    try:
        os.execvp(command[0], command)
    except OSError as error:
        _say(f"msgport: {command[0]} cannot be run: {error.strerror}")
    return UNAVAILABLE


def _print_json(data: dict[str, Any]) -> None:
    print(json.dumps({"schema": SCHEMA, **data}, indent=1))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
