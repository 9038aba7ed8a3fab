"""One ssh connection to a machine: verified host key, keys or agent, commands, files.

Built on paramiko. Nothing here asks for a password, and none can be given.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import shlex
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import paramiko
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

from msgport_vm.machine import MachineError

# Without a handler of its own, logging would print paramiko's tracebacks of each dropped connection.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

SSH_PORT = 22
CONNECT_TIMEOUT = 20.0
SYSTEM_KNOWN_HOSTS = Path("/etc/ssh/ssh_known_hosts")
KEEPALIVE = 10
LOOK = 0.2
"""Seconds between two looks at what else may tell that an answer will never come."""

OPEN_TRIES = 4
_PATH = "PATH=$PATH:/sbin:/usr/sbin LC_ALL=C; export PATH LC_ALL; "
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.%:-]*")

T = TypeVar("T")


class ConnectionLostError(MachineError):
    """The connection is gone, or could not be made for a reason that may pass."""


class NoAnswerError(MachineError):
    """A command was not over in time; the connection may be there still."""


@dataclass(frozen=True)
class Address:
    """Where a machine listens. Parsed from ``ssh://user@host[:port]``; ``named_port`` is None where that names none."""

    user: str
    host: str
    named_port: int | None = None

    @property
    def port(self) -> int:
        """The port, ssh's own if none is named."""
        return self.named_port or SSH_PORT

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read a URL. Raises ValueError, which says how one is written."""
        written = "write ssh://user@host or ssh://user@host:port"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ValueError(f"{_without_password(url)!r} is no address of a machine ({error}); {written}") from None
        if parts.password is not None:
            raise ValueError(
                f"a password does not belong into an address, where others can read it; {written}, and give your key "
                "to the machine with ssh-copy-id"
            )
        plain = not (parts.path.strip("/") or parts.query or parts.fragment)
        names = (parts.username or "", parts.hostname or "")
        if parts.scheme != "ssh" or port == 0 or not plain or not all(_NAME.fullmatch(name) for name in names):
            raise ValueError(f"{_without_password(url)!r} is no address of a machine; {written}")
        return cls(*names, port)

    def __str__(self) -> str:
        """As a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ssh://{self.user}@{host}" + (f":{self.port}" if self.port != 22 else "")

    @property
    def command(self) -> str:
        """The ssh command that a person would type."""
        port = f"-p {self.port} " if self.port != 22 else ""
        return f"ssh {port}{self.user}@{self.host}"

    @property
    def known_as(self) -> str:
        """The host's name in known_hosts files."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"


def _without_password(url: str) -> str:
    return re.sub(r"^(\w+:(?://)?[^:@]*):.*@", r"\1:...@", url)


@dataclass(frozen=True)
class Trust:
    """Whom to believe and how to prove oneself.

    ``known_hosts`` is the user's file, which may have ``more`` of its kind beside it. With ``pin`` it is the only one
    that counts, and a host that is not in it is added at the first connection: for a virtual machine that was just made
    here. ``keys`` are private key files, tried before those of the agent; without any, the usual files in ~/.ssh are
    tried too. ``alias`` is the host's name in the files of known hosts where its address is no name to know it by, as
    ssh's HostKeyAlias.
    """

    known_hosts: Path
    pin: bool = False
    keys: tuple[Path, ...] = ()
    more: tuple[Path, ...] = ()
    alias: str = ""

    @classmethod
    def users(cls) -> Trust:
        """What the user's own ssh trusts."""
        ssh = Path.home() / ".ssh"
        return cls(ssh / "known_hosts", more=(ssh / "known_hosts2",))

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of known hosts that count and are there, the system's first."""
        files = (self.known_hosts,) if self.pin else (SYSTEM_KNOWN_HOSTS, self.known_hosts, *self.more)
        return tuple(file for file in files if file.exists())


def configured(address: Address, config: Path | None = None) -> tuple[Address, Trust]:
    """Where an address leads and what is trusted there, by the user's ssh configuration (``config`` for another file).

    Raises MachineError when it cannot be read, or wants what is not done here.
    """
    path = config or Path.home() / ".ssh" / "config"
    trust = Trust.users()
    if not path.exists():
        return address, trust
    try:
        host = paramiko.SSHConfig.from_path(str(path)).lookup(address.host)
        port = address.named_port or (int(host["port"]) if "port" in host else None)
    except (OSError, ValueError, paramiko.ConfigParseError) as error:
        raise MachineError(f"{path} cannot be read: {error}") from error
    real = Address(address.user, host["hostname"], port)
    if "proxyjump" in host or host.get("proxycommand", "none") != "none":
        raise MachineError(
            f"{path} leads to {address.host} by way of another machine, which is not done here. Forward a port first:\n"
            f"  ssh -f -N -L 2222:localhost:{real.port} {address.host}\nand use ssh://{address.user}@localhost:2222"
        )
    keys = tuple(key for key in map(Path, host.get("identityfile", [])) if key.exists())
    files = [Path(name).expanduser() for name in shlex.split(host.get("userknownhostsfile", ""))]
    known, *more = files or (trust.known_hosts, *trust.more)
    return real, Trust(known, keys=keys, more=tuple(more))


def fingerprint(key: paramiko.PKey) -> str:
    """A host key as ssh shows it."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"


class _Refuse(paramiko.MissingHostKeyPolicy):
    """Refuse a host that nobody vouched for, and say how to vouch for it."""

    def __init__(self, address: Address, known_hosts: Path) -> None:
        self.address = address
        self.known_hosts = known_hosts

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Called by paramiko."""
        home = Trust.users().known_hosts
        option = "" if self.known_hosts == home else f" -o UserKnownHostsFile={shlex.quote(str(self.known_hosts))}"
        raise MachineError(
            f"the host key of {self.address} is not known: {fingerprint(key)}\n"
            f"Compare it with what the machine says of itself (on its console: ssh-keygen -lf /etc/ssh/ssh_host_*.pub)"
            f", then accept it with\n  {self.address.command.replace('ssh ', f'ssh{option} ', 1)} true"
        )


class _Pin(paramiko.MissingHostKeyPolicy):
    """Believe a machine that was just made here, and hold it to that key from now on, whether it lets us in or not."""

    def __init__(self, known_hosts: Path) -> None:
        self.known_hosts = known_hosts

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Called by paramiko."""
        client.get_host_keys().add(hostname, key.get_name(), key)
        client.save_host_keys(str(self.known_hosts))


def _load(known: paramiko.HostKeys, files: Sequence[Path]) -> frozenset[str]:
    """Add the hosts of files to those known; give the keys, in base64, that the files revoke, whatever host they name.

    Of several keys of a kind the first counts. As for ssh, a line that is none is passed over; paramiko fails of one
    with a mark (@revoked, @cert-authority). Raises OSError.
    """
    revoked: set[str] = set()
    seen: set[tuple[str, str]] = set()
    for line in (line for file in files for line in file.read_text("utf-8", errors="replace").splitlines()):
        words = line.split()
        if words[:1] == ["@revoked"]:
            revoked.update(words[3:4])
        if len(words) < 3 or words[0][0] in "#@":
            continue
        try:
            entry = HostKeyEntry.from_line(" ".join(words[:3]))
        except (InvalidHostKey, paramiko.SSHException):
            continue
        for name in entry.hostnames if entry else ():
            if entry and (name, kind := entry.key.get_name()) not in seen:
                seen.add((name, kind))
                known.add(name, kind, entry.key)
    return frozenset(revoked)


class _Transport(paramiko.Transport):
    """A transport that takes no revoked key of a host, even if it is known besides."""

    def __init__(self, revoked: frozenset[str], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._revoked = revoked

    def get_remote_server_key(self) -> paramiko.PKey:
        """Called by paramiko's client, before it logs in."""
        key = super().get_remote_server_key()
        if key.get_base64() in self._revoked:
            raise MachineError(
                f"the host key {fingerprint(key)} is revoked in a file of known hosts (@revoked): who shows it may be "
                "anybody"
            )
        return key


@dataclass(frozen=True)
class Answer:
    """What a command printed, errors included, and its exit status (-1 when a signal or a lost connection ended it)."""

    status: int
    output: str


class Command:
    """A command that runs on the machine."""

    def __init__(self, channel: paramiko.Channel, transport: paramiko.Transport, what: str) -> None:
        """Take over a channel on which ``what`` was started."""
        self._channel = channel
        self._transport = transport
        self._what = what
        self._output = bytearray()

    def _read(self) -> None:
        while self._channel.recv_ready():
            self._output += self._channel.recv(65536)

    def wait(self, seconds: float) -> bool:
        """Wait until it is over, at most ``seconds``, and tell whether it is. Raises ConnectionLostError."""
        deadline = time.monotonic() + seconds
        while True:
            self._read()
            if self._channel.exit_status_ready() and self._channel.eof_received:
                self._read()
                if self._channel.recv_exit_status() == -1 and not self._transport.is_active():
                    raise ConnectionLostError(f"the connection was lost during `{self._what}`")
                return True
            if not self._transport.is_active():
                raise ConnectionLostError(f"the connection was lost during `{self._what}`")
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            # Wakes as soon as it is over; the limit keeps output from filling the channel's window.
            self._channel.status_event.wait(min(left, 0.05))

    def answer(self, timeout: float, meanwhile: Callable[[], None] = lambda: None) -> Answer:
        """Wait for its end, and call ``meanwhile`` now and then.

        Raises NoAnswerError after ``timeout`` seconds, ConnectionLostError, and what ``meanwhile`` raises.
        """
        deadline = time.monotonic() + timeout
        while not self.wait(max(0.0, min(LOOK, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                self._channel.close()
                raise NoAnswerError(f"`{self._what}` gave no answer within {timeout:g} s")
            meanwhile()
        status = self._channel.recv_exit_status()
        self._channel.close()
        return Answer(status, self._output.decode("utf-8", "replace"))

    def end_input(self) -> None:
        """End its standard input. Raises ConnectionLostError."""
        try:
            self._channel.shutdown_write()
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise ConnectionLostError(f"the connection was lost: {error}") from error

    def abandon(self) -> None:
        """Read no more of it."""
        self._channel.close()


class Connection:
    """A live connection; commands may be started from several threads."""

    def __init__(self, address: Address, client: paramiko.SSHClient, transport: paramiko.Transport) -> None:
        """Take over a client that is connected; see connect()."""
        self.address = address
        self._client = client
        self._transport = transport

    def start(self, script: str, what: str = "", meanwhile: Callable[[], None] = lambda: None) -> Command:
        """Start a line of sh, whatever the user's login shell. Raises NoAnswerError and ConnectionLostError."""
        command = "exec sh -c " + shlex.quote(_PATH + script)
        try:
            channel = self._channel(lambda new: new.exec_command(command), meanwhile)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._unopened(error) from error
        channel.set_combine_stderr(True)
        return Command(channel, self._transport, what or script)

    def _channel(
        self, request: Callable[[paramiko.Channel], None], meanwhile: Callable[[], None] = lambda: None
    ) -> paramiko.Channel:
        """Open a channel for a request, anew when the machine closes it: Dropbear does so, when it runs nothing yet,
        if the process of another ends just then.

        Raises paramiko's errors, after CONNECT_TIMEOUT seconds at the latest, and what ``meanwhile`` raises.
        """
        deadline = time.monotonic() + CONNECT_TIMEOUT
        for tries_left in reversed(range(OPEN_TRIES)):
            try:
                channel = self._transport.open_session(timeout=CONNECT_TIMEOUT / OPEN_TRIES)
                # paramiko itself waits for a request's answer for ever.
                alarm = threading.Timer(max(0, deadline - time.monotonic()), channel.close)
                alarm.start()
                try:
                    request(channel)
                finally:
                    alarm.cancel()
                return channel
            except (OSError, EOFError, paramiko.SSHException):
                if not self._transport.is_active() or not tries_left or time.monotonic() >= deadline:
                    raise
            meanwhile()
        raise AssertionError("the last try returns or raises")

    def _unopened(self, error: Exception) -> MachineError:
        if self._transport.is_active():
            return NoAnswerError(f"{self.address} starts no command within {CONNECT_TIMEOUT:g} s")
        return ConnectionLostError(f"the connection was lost: {error or type(error).__name__}")

    def run(self, script: str, timeout: float, what: str = "", meanwhile: Callable[[], None] = lambda: None) -> Answer:
        """Run a line of sh to its end; ``meanwhile`` as for ``Command.answer``.

        Raises NoAnswerError and ConnectionLostError.
        """
        return self.start(script, what, meanwhile).answer(timeout, meanwhile)

    def _files(self) -> paramiko.SFTPClient:
        try:
            channel = self._channel(lambda new: new.invoke_subsystem("sftp"))
            channel.settimeout(CONNECT_TIMEOUT)
            return paramiko.SFTPClient(channel)
        except (OSError, EOFError, paramiko.SSHException) as error:
            if self._transport.is_active():
                raise MachineError(
                    f"{self.address} offers no sftp ({error}): its sshd_config wants a line `Subsystem sftp ...`"
                ) from error
            raise self._unopened(error) from error

    def _failed(self, what: str, error: Exception) -> MachineError:
        if not self._transport.is_active():
            return ConnectionLostError(f"the connection was lost while {what}")
        if isinstance(error, TimeoutError):
            return NoAnswerError(f"no answer within {CONNECT_TIMEOUT:g} s while {what}")
        return MachineError(f"{self.address}: {what} failed: {error or type(error).__name__} (is its disk full?)")

    def put(self, local: Path, remote: str) -> None:
        """Copy a file there. Raises MachineError, and ConnectionLostError."""
        with self._files() as files:
            try:
                files.put(str(local), remote)
            except (OSError, EOFError, paramiko.SSHException) as error:
                raise self._failed(f"writing {remote}", error) from error

    def get(self, remote: str, local: Path) -> None:
        """Copy a file from there. Raises MachineError, and ConnectionLostError."""
        with self._files() as files:
            try:
                files.get(remote, str(local))
            except (OSError, EOFError, paramiko.SSHException) as error:
                raise self._failed(f"reading {remote}", error) from error

    def close(self) -> None:
        """Hang up; safe to call twice."""
        self._client.close()


def connect(address: Address, trust: Trust, timeout: float = CONNECT_TIMEOUT) -> Connection:
    """Connect; the machine has ``timeout`` seconds to say what it is.

    Raises MachineError with what to do, or ConnectionLostError when trying again may help.
    """
    client = paramiko.SSHClient()
    try:
        if trust.pin:
            trust.known_hosts.parent.mkdir(parents=True, exist_ok=True)
            trust.known_hosts.touch()
        revoked = _load(client.get_host_keys(), trust.files)
    except OSError as error:
        raise MachineError(f"cannot read {error.filename}: {error.strerror}") from error
    client.set_missing_host_key_policy(_Pin(trust.known_hosts) if trust.pin else _Refuse(address, trust.known_hosts))
    try:
        # paramiko makes a host's name in known hosts of the address that it is given.
        line = socket.create_connection((address.host, address.port), timeout) if trust.alias else None
        client.connect(
            trust.alias or address.host,
            SSH_PORT if trust.alias else address.port,
            address.user,
            sock=line,
            # paramiko takes several; its type stubs know of one.
            key_filename=[str(key) for key in trust.keys] or None,  # type: ignore[arg-type]
            look_for_keys=not trust.keys,
            timeout=timeout,
            banner_timeout=timeout,
            auth_timeout=CONNECT_TIMEOUT,
            channel_timeout=CONNECT_TIMEOUT,
            transport_factory=lambda *arguments, **options: _Transport(revoked, *arguments, **options),
        )
    except Exception as error:
        client.close()
        raise _explained(address, trust, error) from error
    transport = client.get_transport()
    assert transport is not None
    transport.set_keepalive(KEEPALIVE)
    return Connection(address, client, transport)


def _explained(address: Address, trust: Trust, error: Exception) -> Exception:
    """What went wrong while connecting, in words that say what to do; others' errors as they are."""
    if isinstance(error, MachineError):
        return error
    if isinstance(error, paramiko.BadHostKeyException):
        # What is known by an alias is a machine that was made here, and saved with its key.
        mend = (
            "let go of the saved machine, which is under qemu/states in the cache (MSGPORT_CACHE)"
            if trust.alias
            else f"ssh-keygen -f {shlex.quote(str(trust.known_hosts))} -R {shlex.quote(address.known_as)}"
        )
        return MachineError(
            f"{address} shows another host key than before: {fingerprint(error.key)} instead of "
            f"{fingerprint(error.expected_key)}. Either it was installed anew, or somebody stands between.\n"
            f"If it was: {mend}"
        )
    if isinstance(error, paramiko.PasswordRequiredException):
        return MachineError(f"a private key has a passphrase ({error}): unlock it with ssh-add first")
    refused = isinstance(error, paramiko.AuthenticationException)
    if refused or "No authentication methods" in str(error) or "no authentication methods" in str(error):
        tried = ", ".join(map(str, trust.keys)) or "the files in ~/.ssh"
        give = (
            f"Put your public key into ~{address.user}/.ssh/authorized_keys of its image"
            if trust.alias
            else f"Give it your public key with {address.command.replace('ssh ', 'ssh-copy-id ', 1)}"
        )
        return MachineError(
            f"{address} does not let {address.user} in (tried {tried} and the agent): {error}\n"
            f"{give}, or unlock yours with ssh-add"
        )
    if isinstance(error, socket.gaierror):
        return MachineError(f"{address.host} is no known host: {error.strerror}")
    if isinstance(error, (OSError, EOFError, paramiko.SSHException)):
        return ConnectionLostError(f"cannot reach {address}: {_plain(error)}")
    return error


def _plain(error: Exception) -> str:
    """An error's text; paramiko's own for several addresses tried lists none of their reasons."""
    reasons: Sequence[object] = ()
    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        reasons = list(error.errors.values())
    return "; ".join(str(reason) for reason in reasons) or str(error) or type(error).__name__
