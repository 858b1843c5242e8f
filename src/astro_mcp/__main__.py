"""`astro-mcp`: without a subcommand the shim; the standard library alone until a subcommand is named."""

import sys

if __name__ == "__main__" and not sys.flags.safe_path and sys.path:
    # `python -m` puts the working folder first: a json.py that lies there is not ours.
    del sys.path[0]


def main(arguments: list[str] | None = None) -> int:
    """The console script; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    if not given or (given[0].startswith("--") and given[0] not in ("--help", "--version")):
        from astro_mcp.shim.pump import main as shim  # noqa: PLC0415 - each way in pays for its own imports

        return shim(given)
    if given[:2] == ["daemon", "run"]:
        import gc  # noqa: PLC0415 - as above

        gc.disable()  # the start makes objects that stay: looking through them for garbage costs a twentieth of it
        from astro_mcp.daemon.run import main as daemon  # noqa: PLC0415 - as above

        return daemon(given[2:])
    if given[0] == "serve" and "--in-process" in given and not {"-h", "--help"} & set(given):
        from astro_mcp.daemon.in_process import main as in_process  # noqa: PLC0415 - as above

        return in_process([option for option in given[1:] if option != "--in-process"])
    from astro_mcp.cli import main as cli  # noqa: PLC0415 - as above

    return cli(given)


if __name__ == "__main__":
    sys.exit(main())
