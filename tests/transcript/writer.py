"""Writes records as docs/architecture.md describes them; shares no code with what reads them."""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field


@dataclass
class Writer:
    nonce: int = 0x5EED
    lines: list[str] = field(default_factory=list)

    def add(self, kind: str, /, **fields: object) -> Writer:
        body = f"{self.nonce:08x}:{len(self.lines):04x}:{kind}" + "".join(f" {k}={v}" for k, v in fields.items())
        length = len("msgport:") + 2 + 1 + len(body) + 1 + 8
        line = f"msgport:{length:02x}:{body}"
        self.lines.append(f"{line}:{binascii.crc32(line.encode()) & 0xFFFFFFFF:08x}")
        return self

    def begin(
        self,
        scenario: str = "two-senders/P=spin",
        content: str = "0123456789abcdef",
        era: str = "E",
        iterations: int = 0,
        inv: int = 1,
    ) -> Writer:
        self.add("begin", h=content, s=scenario)
        return self.add("env", cpus=4, osrel=400000, era=era, inv=inv, seed=7, iter=iterations, ms=500)

    def end(self, iterations: int, why: str = "time") -> Writer:
        return self.add("end", n=len(self.lines), i=iterations, why=why)

    @property
    def text(self) -> str:
        return "".join(line + "\n" for line in self.lines)


def two_outcomes(nonce: int = 0x5EED, first: int = 900, second: int = 100, content: str = "0123456789abcdef") -> Writer:
    writer = Writer(nonce).begin(content=content)
    writer.add("new", k=0, i=0, v="a,b,c", e="done")
    writer.add("new", k=1, i=17, v="c,a,b", e="done")
    writer.add("out", k=0, n=first)
    writer.add("out", k=1, n=second)
    return writer.end(first + second)
