"""The commands about machines themselves: ``doctor``, what is missing here; ``image``, what to boot."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction

DOCTOR_SCHEMA = "msgport-doctor-1"

OK, BAD_FILE, UNAVAILABLE = 0, 2, 3


def add(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the command line; each sets ``command`` to a function from options to exit status."""
    doctor = commands.add_parser("doctor", help="what each target lacks on this host, and the command that mends it")
    doctor.add_argument("--format", choices=["text", "json"], default="text", help="default: text")
    doctor.set_defaults(command=_doctor)

    image = commands.add_parser("image", help="DragonFly's release images: list, get, verify")
    verbs = image.add_subparsers(required=True, metavar="VERB")
    verbs.add_parser("list", help="the known releases").set_defaults(command=_list)
    get = verbs.add_parser("get", help="download, check and unpack one; prints where it is")
    get.add_argument("version", metavar="VERSION", help="as 6.4.2")
    get.add_argument("--kind", choices=["iso", "img"], default="iso", help="default: iso")
    get.add_argument("--mirror", action="append", default=[], metavar="URL", help="instead of the known ones")
    get.set_defaults(command=_get)
    verify = verbs.add_parser("verify", help="tell which known image a file is, by its checksum")
    verify.add_argument("file", type=Path, metavar="FILE")
    verify.set_defaults(command=_verify)


def _doctor(options: argparse.Namespace) -> int:
    from msgport_vm.doctor import State, report

    findings = report()
    if options.format == "json":
        print(json.dumps({"schema": DOCTOR_SCHEMA, "findings": [asdict(finding) for finding in findings]}, indent=1))
    else:
        last = ""
        for finding in findings:
            if finding.target != last:
                print(f"{'' if not last else chr(10)}{finding.target}")
            last = finding.target
            print(f"  {finding.state:<8} {finding.need}: {finding.detail}")
            if finding.fix:
                print(f"           mend: {finding.fix}")
    ready = not any(finding.target == "userland" and finding.state is State.MISSING for finding in findings)
    return OK if ready else UNAVAILABLE


def _list(_options: argparse.Namespace) -> int:
    from msgport_vm.images import known, mirrors

    for image in known():
        print(f"{image.version} {image.kind}")
        for place in mirrors():
            print(f"  {place}/{image.packed_file}")
        for form, digests in (("packed", image.packed), ("unpacked", image.plain)):
            for algorithm, digest in digests.items():
                print(f"  {form} {algorithm} {digest}")
        print()
    return OK


def _get(options: argparse.Namespace) -> int:
    from msgport_vm.images import ImageError, get

    try:
        print(get(options.version, options.kind, mirror=options.mirror, progress=_Progress()))
    except ImageError as error:
        return _fail(error, UNAVAILABLE)
    return OK


def _verify(options: argparse.Namespace) -> int:
    from msgport_vm.images import ImageError, verify

    try:
        found = verify(options.file, progress=_Progress())
    except ImageError as error:
        return _fail(error, BAD_FILE)
    name = found.image.file if found.form == "plain" else found.image.packed_file
    print(f"{options.file} is {name} of release {found.image.version}, by its {found.algorithm}")
    return OK


def _fail(error: Exception, status: int) -> int:
    print(f"msgport: {error}", file=sys.stderr)
    return status


class _Progress:
    """Prints how far something has come, on standard error: on a terminal in place, twice a second at most.

    Elsewhere, in a log for instance, it is a line for each step: a tenth, or STEP where the size is unknown.
    """

    STEP = 100 << 20

    def __init__(self) -> None:
        self._last = 0.0
        self._step: tuple[str, int] = ("", 0)

    def __call__(self, what: str, done: int, total: int | None) -> None:
        share = f" of {total >> 20} MiB, {100 * done // total} %" if total else ""
        line = f"{what}: {done >> 20} MiB{share}"
        if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
            step = (what, 10 * done // total if total else done // self.STEP)
            if step != self._step:
                print(line, file=sys.stderr, flush=True)
            self._step = step
            return
        now = time.monotonic()
        if now - self._last < 0.5 and done != total:
            return
        self._last = now
        print(f"\r\x1b[K{line}", end="\n" if done == total else "", file=sys.stderr, flush=True)
