"""The scenario language: text to variants, each a small concurrent program over message ports."""
