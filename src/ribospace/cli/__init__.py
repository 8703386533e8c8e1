"""The command line: thin typed commands over the rooms below; nothing imports them."""

from __future__ import annotations

import io
import os
import sys

LONGEST = 4000  # letters of an error


def main() -> None:
    """Run a command; a user's mistake is one line and exit code 2, a failure one line and exit code 1."""
    os.environ.setdefault("LANCE_LOG", "error")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a console that lacks a sign is shown its number
    from ribospace.cli.app import app
    from ribospace.errors import UserError, is_panic

    try:
        app(prog_name="ribospace")
    except UserError as error:
        _end(str(error), error.code)
    except SystemExit as end:
        if end.code == 130:  # what typer makes of Ctrl-C
            _end("Interrupted. What was committed stays; run the same command again to go on.", 1)
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        _fail(error)
    except BaseException as error:
        if not is_panic(error):
            raise
        _fail(error)


def _fail(error: BaseException) -> None:
    """End with one line: of a full disk or a damaged collection as a user's mistake, else as a fault of ours."""
    from ribospace.errors import is_disk_full, is_of_store

    if os.environ.get("RIBOSPACE_TRACEBACK"):
        raise error
    if is_disk_full(error):
        _end("The disk is full. Free some space and run the command again.", 2)
    if isinstance(error, OSError) and error.filename is not None:
        _end(f"{error.filename}: {error.strerror}. Check the path and who may read and write it.", 2)
    first = (str(error).splitlines() or [""])[0]
    if isinstance(error, MemoryError):
        _end(f"The memory is full ({first.rstrip('.')}). Give fewer molecules, or smaller numbers.", 1)
    if isinstance(error, OverflowError):
        _end(f"A number that was given is too large for this machine ({first.rstrip('.')}). Give a smaller one.", 2)
    if is_of_store(error):
        mend = "If its files are damaged, copy it again or import its molecules into a new one."
        _end(f"A collection cannot be read or written ({first.split(', /')[0][:300]}). {mend}", 2)
    _end(f"Ribospace failed ({type(error).__name__}: {first}). RIBOSPACE_TRACEBACK=1 shows where; please report it.", 1)


def _end(text: str, code: int) -> None:
    line = " ".join(text.split("\n"))
    if len(line) > LONGEST:  # it names what was given, and that was long
        line = f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"
    print(f"Error: {line}", file=sys.stderr)
    sys.exit(code)
