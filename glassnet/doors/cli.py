"""The command line: one positional argument, options from config's fields, heavy imports only where they are needed."""

from __future__ import annotations

import dataclasses
import inspect
import os
import shlex
import sys
from collections.abc import Callable
from operator import getitem
from pathlib import Path
from typing import Annotated, Any, cast, get_args, get_type_hints

import typer
from typer.exceptions import TyperException

from glassnet import __version__
from glassnet.config import Reading, Training, flag, number, read_toml, record
from glassnet.errors import GlassnetError, Interrupted

ACCENT = "\x1b[38;2;245;138;182m"
PLAIN = "\x1b[0m"

Data = Annotated[
    str, typer.Argument(help="A folder, a table, an .npz file, or built-in data: xo, digits.", metavar="DATA")
]
ModelFolder = Annotated[Path, typer.Argument(help="A folder that glassnet train made.", metavar="MODEL")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, all else to standard error.")]


def train(
    data: Data,
    out: Annotated[Path | None, typer.Option(help="Where the model goes; models/DATA-N unless given.")] = None,
    *,
    settings: Training,
    reading: Reading,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a training that was stopped.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the model that is there.")] = False,
    json: Json = False,
) -> None:
    """Train a net, test it once, leave a model folder."""
    from glassnet.doors.commands import train as work

    work.train(data, out, settings, reading, resume, overwrite, json)


def predict(
    model: ModelFolder,
    inputs: Annotated[list[str], typer.Argument(help="Files, folders, tables, .npz; - for standard input.")],
    top: Annotated[
        int | None, typer.Option(help="Votes to show, the strongest first.", parser=number("top", int, 1))
    ] = None,
    json: Json = False,
) -> None:
    """Say what each input is."""
    from glassnet.doors.commands import predict as work

    raise typer.Exit(work.predict(model, inputs, top, json))


def evaluate(
    model: ModelFolder,
    data: Data,
    out: Annotated[Path | None, typer.Option(help="Where the page goes; evaluate-DATA.html unless given.")] = None,
    *,
    reading: Reading,
    json: Json = False,
) -> None:
    """Measure a model on data it did not learn from."""
    from glassnet.doors.commands import evaluate as work

    work.evaluate(model, data, out, reading, json)


def explain(
    model: ModelFolder,
    asked: Annotated[str, typer.Argument(help="A file, or - for standard input.", metavar="INPUT")],
    out: Annotated[Path | None, typer.Option(help="Where the page goes; explain-INPUT.html unless given.")] = None,
    json: Json = False,
) -> None:
    """Show why: patches matched, votes cast."""
    from glassnet.doors.commands import explain as work

    work.explain(model, asked, out, json)


def show(
    data: Data,
    out: Annotated[Path | None, typer.Option(help="Where the contact sheet goes; show-DATA.png unless given.")] = None,
    *,
    reading: Reading,
    json: Json = False,
) -> None:
    """Show what is in a data set, with a contact sheet."""
    from glassnet.doors.commands import show as work

    work.show(data, out, reading, json)


def make_xo(
    out: Annotated[Path, typer.Argument(help="A new folder.", metavar="OUT")],
    count: Annotated[int, typer.Option(help="Pictures in all.", parser=number("count", int, 2))] = 2000,
    size: Annotated[int, typer.Option(help="Pixels a side.", parser=number("size", int, 5))] = 9,
    translate: Annotated[str | None, typer.Option(help="Shift in pixels: 1.5 for -1.5:1.5, or LOW:HIGH.")] = None,
    scale: Annotated[str | None, typer.Option(help="Size: 0.8 for just that, or LOW:HIGH.")] = None,
    rotate: Annotated[str | None, typer.Option(help="Degrees: 45 for -45:45, or LOW:HIGH.")] = None,
    weight: Annotated[str | None, typer.Option(help="Stroke in pixels: 1 for just that, or LOW:HIGH.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed, the same pictures.", parser=number("seed", int, 0))] = 0,
    json: Json = False,
) -> None:
    """The X's and O's of the slides as class folders of PNGs, with all four trickier cases unless a knob says else."""
    from glassnet.doors.commands import make as work

    work.make_xo(out, count, size, (translate, scale, rotate, weight), seed, json)


def main() -> None:
    """The `glassnet` command."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs a command line. Returns the exit status: 2 for what a person can mend, 130 after Ctrl-C."""
    from glassnet.doors.signals import polite_termination

    polite_termination()
    try:
        result = _app()(arguments or ["--help"], standalone_mode=False)
        return result if isinstance(result, int) else 0
    except Interrupted as stop:
        _say(("^C " if stop.exit_code == 130 else "") + stop.found)
        if stop.saved:
            print(f"saved   {stop.saved}\nnext    {stop.command}", file=sys.stderr)
        return stop.exit_code
    except GlassnetError as error:
        _say(str(error), len(error.place) + 1)
        return error.exit_code
    except TyperException as error:
        _say(_usage(error))
        return 2
    except (KeyboardInterrupt, typer.Abort):
        _say("^C stopped before there was anything to lose.")
        return 130
    except Exception as error:
        if os.environ.get("GLASSNET_TRACEBACK"):
            raise
        what = " ".join(str(error).split())[:300]
        _say(
            f"glassnet has a fault: {type(error).__name__}: {what}. GLASSNET_TRACEBACK=1 shows where; please report it."
        )
        return 1


def _app() -> typer.Typer:
    app = typer.Typer(
        help="A glass-box ConvNet workbench: train a net on your own examples and see why it answers as it does.",
        epilog="Begin with: glassnet train xo",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_root)
    for command in COMMANDS:
        app.command()(_with_options(command))
    made = typer.Typer(help="Make data: glassnet make xo OUT.", rich_markup_mode=None)
    made.callback()(_nothing)
    made.command("xo")(make_xo)
    app.add_typer(made, name="make")
    return app


def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        print(f"glassnet {__version__}")
        raise typer.Exit


def _nothing() -> None:
    """Keeps `make` a group, whose commands are named."""


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command with every parameter that is a record of config replaced by options for its fields, and --config.

    What a flag leaves open, the file of --config may set; what both leave open, the record's default does.
    """
    parameters: list[inspect.Parameter] = []
    parts: dict[str, type[Reading | Training]] = {}
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        if parameter.annotation in (Reading, Training):
            parts[parameter.name] = parameter.annotation
            parameters += [_option(parameter.annotation, field) for field in dataclasses.fields(parameter.annotation)]
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
    if not parts:
        return command
    config = Annotated[Path | None, typer.Option("--config", help="A TOML file with any of these settings.")]
    parameters.append(inspect.Parameter("config", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=config))

    def filled(**given: Any) -> None:  # noqa: ANN401  # typer calls it with whatever the options were
        path = given.pop("config")
        stored = read_toml(path) if path else {}
        for name, part in parts.items():
            fields = {field.name: given.pop(field.name) for field in dataclasses.fields(part)}
            chosen = {key: stored.get(key) if value is None else value for key, value in fields.items()}
            given[name] = record(part, chosen)
        command(**given)

    filled.__name__, filled.__doc__ = command.__name__, command.__doc__
    filled.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
    return filled


def _option(part: type[Reading | Training], field: dataclasses.Field[Any]) -> inspect.Parameter:
    kind = get_type_hints(part)[field.name]
    name = flag(field.name)
    plain = next(one for one in (bool, int, float, str) if one in (kind, *get_args(kind)))
    option = typer.Option(
        f"{name}/--no-{field.name}" if plain is bool else name,
        help=field.metadata["help"],
        parser=number(field.name, plain) if plain in (int, float) else None,
        metavar=None if plain is bool else f"<{plain.__name__}>",
    )
    annotation: object = getitem(cast(Any, Annotated), (kind | None, option))  # made here: not a checker's type
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _usage(error: TyperException) -> str:
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


def next_command(*words: str | Path) -> str:
    """A command as it can be typed."""
    return shlex.join(str(word) for word in words)


COMMANDS: tuple[Callable[..., None], ...] = (train, predict, evaluate, explain, show)
