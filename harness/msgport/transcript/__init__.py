"""What came out of a machine, read: console text to records, to what each load observed."""

from msgport.transcript.load import Load, Panic, RingEntry, Said, Sighting
from msgport.transcript.reader import Segment, Transcript, bad_end, beside_console, excerpt, lives, read, stood_in
from msgport.transcript.records import Record

__all__ = [
    "Load",
    "Panic",
    "Record",
    "RingEntry",
    "Said",
    "Segment",
    "Sighting",
    "Transcript",
    "bad_end",
    "beside_console",
    "excerpt",
    "lives",
    "read",
    "stood_in",
]
