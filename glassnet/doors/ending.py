"""How a command ends: its exit status, and one line for what went wrong. Knows no command."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import click

from glassnet.errors import Elsewhere, GlassnetError, Interrupted
from glassnet.words import clipped
from glassnet.world import world

ACCENT = "\x1b[38;2;245;138;182m"
PLAIN = "\x1b[0m"


def ended(work: Callable[[], object]) -> int:
    """Does a command's work. Returns the exit status: 2 for what a person can mend, 130 after Ctrl-C."""
    try:
        result = work()
        return result if isinstance(result, int) else 0
    except Elsewhere as silent:
        return silent.exit_code
    except Interrupted as stop:
        if not world().is_first:
            return stop.exit_code
        _say(("^C " if stop.exit_code == 130 else "") + stop.found)
        if stop.saved:
            print(f"saved   {stop.saved}\nnext    {stop.command}", file=sys.stderr)
        return stop.exit_code
    except GlassnetError as error:
        _say(str(error), len(error.place) + 1)
        return error.exit_code
    except click.ClickException as error:
        _say(_usage(error))
        return 2
    except (KeyboardInterrupt, click.Abort):
        _say("^C stopped before there was anything to lose.")
        return 130
    except Exception as error:
        if os.environ.get("GLASSNET_TRACEBACK"):
            raise
        return _unforeseen(error)


def _unforeseen(error: Exception) -> int:
    """One line for what nobody wrote a line for: a path that the system refuses, or a fault of ours."""
    if isinstance(error, OSError) and isinstance(error.filename, str):
        _say(str(GlassnetError(clipped(error.filename), found=str(error.strerror), fix="Check the path")))
        return 2
    what = clipped(" ".join(str(error).split()), 300)
    _say(f"glassnet has a fault: {type(error).__name__}: {what}. GLASSNET_TRACEBACK=1 shows where; please report it.")
    return 1


def _usage(error: click.ClickException) -> str:
    """A wrong flag or argument in one line, with the command to ask for help."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "glassnet"
    message = " ".join(error.format_message().split()).rstrip(".?")
    return f"{command}: {message[:1].lower()}{message[1:]}. All it takes: {command} --help"


def _say(line: str, marked: int = 0) -> None:
    """One line on standard error; on a terminal its first `marked` letters in the accent colour."""
    line = line.encode("utf-8", "replace").decode("utf-8")
    if marked and sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        line = f"{ACCENT}{line[:marked]}{PLAIN}{line[marked:]}"
    print(line, file=sys.stderr)
