"""Observed against allowed: verdicts on variants and claims, and expectations judged against the models."""

from msgport.check.expectations import WrongExpectation, undeclared, wrong_expectations
from msgport.check.observed import Observation, Observed, StaleTranscriptError, gather
from msgport.check.verdict import Kind, Nearest, Row, Unseen, Verdict, claim_verdicts, judge, untested

__all__ = [
    "Kind",
    "Nearest",
    "Observation",
    "Observed",
    "Row",
    "StaleTranscriptError",
    "Unseen",
    "Verdict",
    "WrongExpectation",
    "claim_verdicts",
    "gather",
    "judge",
    "undeclared",
    "untested",
    "wrong_expectations",
]
