"""A guest for tests of the machines: see ``image`` for what it is and how it is made."""
