"""What msgport.9 claims, in our own words: one testable statement each, with a stable id.

``reading`` says how a vague sentence is understood here. ``untestable`` says why no scenario can test the claim; a
claim without it is tested by every scenario of the catalogue that names it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """One statement of the page: its id (``topic.statement``), the page's section, what it says."""

    id: str
    section: str
    text: str
    reading: str = ""
    untestable: str = ""


_DESCRIPTION = "DESCRIPTION"
_MESSAGES = "MESSAGE FUNCTIONS"
_PORTS = "PORT FUNCTIONS"
_SPECIAL = "SPECIAL PORT INITIALIZERS"
_INTERNAL = "INTERNAL MESSAGE FUNCTIONS"
_EXAMPLES = "EXAMPLES"
_NOTES = "NOTES"

_ALL = (
    Claim("getport.first", _PORTS, "getport takes the first available message off the port and returns it."),
    Claim("putport.async", _NOTES, "The default putport handlers only ever queue the message: they return EASYNC."),
    Claim("domsg.waits", _MESSAGES, "domsg does not return before the message has been replied to."),
)

CLAIMS: dict[str, Claim] = {claim.id: claim for claim in _ALL}
"""Every claim by id, in the order of the page."""
