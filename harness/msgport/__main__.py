"""Where the process begins: ``msgport`` and ``python -m msgport``. What takes long is imported under guard."""

import sys

INTERRUPTED = UNTOLD = 3


def main() -> int:
    """Run the command line of this process; returns the exit status (0 to 3, see README.md)."""
    try:
        from msgport import streams

        streams.prepare()
        from msgport import cli

        try:
            status = cli.main()
        except SystemExit as ended:
            # The parser's, after its help or what is wrong.
            assert isinstance(ended.code, int)
            status = ended.code
        if not (lost := streams.lost()):
            return status
        print(f"msgport: {lost}", file=sys.stderr)
        # What a command found is no better for being told to nobody.
        return status or UNTOLD
    except KeyboardInterrupt:
        print("msgport: interrupted", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
