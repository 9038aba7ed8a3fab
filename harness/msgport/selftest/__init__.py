"""Proof that the catalogue catches bugs: seeded faults, one at a time, in the message ports and in the model."""
