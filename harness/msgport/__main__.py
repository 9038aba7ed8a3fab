"""Where the process begins: ``msgport`` and ``python -m msgport``. What takes long is imported under guard."""

import sys

INTERRUPTED = 3


def main() -> int:
    """Run the command line of this process; returns the exit status (0 to 3, see README.md)."""
    try:
        from msgport import streams

        streams.prepare()
        from msgport import cli

        return cli.main()
    except KeyboardInterrupt:
        print("msgport: interrupted", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
