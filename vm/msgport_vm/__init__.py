"""Machines that a generated module can be loaded on; nothing here knows of message ports."""
