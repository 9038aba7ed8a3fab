"""Debian's packages, downloaded and unpacked into a cache folder without being installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

KERNEL = "linux-image-cloud-amd64"
PACKAGES = (
    *("busybox-static", "dash", "dropbear-bin", "libtomcrypt1", "libtommath1", "openssh-sftp-server"),
    *("isolinux", "syslinux-common"),
)
TOOLS = ("apt-get", "apt-cache", "dpkg-deb", "ldd", "cpio")
_URI = re.compile(r"^'[^']+' (?P<file>\S+\.deb) \d+ (?P<checksum>\S+)$", re.MULTILINE)


class UnavailableError(Exception):
    """What is needed is not there; says what to do."""


@dataclass(frozen=True)
class Packages:
    """What apt would download now: ``files`` are names and checksums, which change with each version."""

    names: tuple[str, ...]
    files: tuple[tuple[str, str], ...]


def _say(*command: str, folder: Path | None = None) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UnavailableError(f"{' '.join(command)}: {done.stderr.strip()} (apt-get update helps if the list is old)")
    return done.stdout


def candidates() -> Packages:
    """Find out what apt would download now; reads apt's lists only. Raises UnavailableError."""
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        raise UnavailableError(f"the stand-in guest is built from Debian's packages; no {', '.join(missing)} here")
    depends = re.findall(r"^  Depends: (linux-image-\S+)", _say("apt-cache", "depends", KERNEL), re.MULTILINE)
    if not depends:
        raise UnavailableError(f"apt knows no {KERNEL}: apt-get update")
    names = (depends[0], *PACKAGES)
    with tempfile.TemporaryDirectory(prefix="msgport-debs-") as empty:  # apt passes over what is there already
        said = _say("apt-get", "download", "--print-uris", *names, folder=Path(empty))
    files = tuple(sorted(_URI.findall(said)))
    if len(files) != len(names):
        raise UnavailableError(f"apt knows only {len(files)} of {', '.join(names)}: apt-get update")
    return Packages(names, files)


def unpack(packages: Packages, folder: Path) -> None:
    """Download the packages (some 30 MB) and unpack all of them into ``folder``. Raises UnavailableError."""
    with tempfile.TemporaryDirectory(prefix="msgport-debs-") as name:
        downloads = Path(name)
        downloads.chmod(0o777)  # apt downloads as a user of its own when it may
        _say("apt-get", "-q", "download", *packages.names, folder=downloads)
        for package in sorted(downloads.glob("*.deb")):
            _say("dpkg-deb", "-x", str(package), str(folder))
