"""The command line: one positional argument, options from config's fields, heavy imports only where they are needed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from glassnet import __version__
from glassnet.config import Detecting, Order, Reading, Training
from glassnet.data.places import refuse_all_but_a_file, refuse_missing, refuse_missing_inputs, refuse_missing_weights
from glassnet.doors.ending import ended
from glassnet.doors.folder import refuse_no_model, refuse_nothing_to_ask
from glassnet.doors.making import make
from glassnet.doors.options import PATH, as_json, data_argument, model_argument, out_option, settings, whole_number
from glassnet.world import world


@click.group(epilog="Begin with: glassnet train xo", no_args_is_help=False)
@click.version_option(__version__, message="glassnet %(version)s")
def glassnet() -> None:
    """A glass-box ConvNet workbench: train a net on your own examples and see why it answers as it does."""


@glassnet.command()
@data_argument
@out_option("Where it goes; models/DATA-N unless given.")
@settings(Training, Reading, Detecting)
@click.option("--resume", is_flag=True, help="Go on with a training that was stopped.")
@click.option("--overwrite", is_flag=True, help="Replace the model that is there.")
@as_json
def train(
    data: str,
    out: Path | None,
    training: Training,
    reading: Reading,
    detecting: Detecting,
    resume: bool,
    overwrite: bool,
    json: bool,
) -> None:
    """Train a net, test it once, leave a model folder.

    DATA: a folder (of boxes: a detector), table, .npz, .tar shards, or built in: xo,
    digits. In several processes: torchrun --nproc-per-node N -m glassnet train DATA.
    """
    order = Order(data, out, training, reading, detecting, resume, overwrite, json)
    if not world().is_alone:
        from glassnet.doors.commands.train_together import train_together

        train_together(order)
        return
    if not resume:
        refuse_missing(data)
        refuse_missing_weights(training.weights)
    from glassnet.doors.commands import train as work

    work.train(order)


@glassnet.command()
@model_argument
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@whole_number("top", 1, "Votes to show, or boxes on each picture, the strongest first.")
@as_json
def predict(model: Path, inputs: tuple[str, ...], top: int | None, json: bool) -> int:
    """Say what each INPUT is: files, folders, tables, .npz; - for standard input.

    A detector says what is where on each picture, in boxes. MODEL may be a file of
    glassnet export; one that lies in its folder answers for it, several times faster.
    """
    refuse_nothing_to_ask(model)
    refuse_missing_inputs(inputs)
    from glassnet.doors.commands import predict as work

    return work.predict(model, inputs, top, json)


@glassnet.command()
@model_argument
@data_argument
@out_option("Where the page goes; evaluate-DATA.html unless given.")
@settings(Reading)
@click.option("--folds", is_flag=True, help="Train anew as this model was, once for each fold of a table's column.")
@click.option("--cleaned", is_flag=True, help="Of boxes: without copies and pictures that lack a common class.")
@as_json
def evaluate(
    model: Path, data: str, out: Path | None, reading: Reading, folds: bool, cleaned: bool, json: bool
) -> None:
    """Measure a model on data it did not learn from.

    A detector on boxes: average precision, where objects are lost, what is
    taken for what.
    """
    refuse_no_model(model)
    refuse_missing(data)
    if folds:
        from glassnet.doors.commands.folds import evaluate_folds

        evaluate_folds(model, data, reading, json)
        return
    from glassnet.doors.commands import evaluate as work

    work.evaluate(model, data, out, reading, cleaned, json)


@glassnet.command()
@model_argument
@click.argument("asked", metavar="INPUT")
@out_option("Where the page goes; explain-INPUT.html unless given. A .png is a picture of it.")
@click.option("--right", metavar="CLASS", help="The class that would be right; INPUT's folder, where that is one.")
@as_json
def explain(model: Path, asked: str, out: Path | None, right: str | None, json: bool) -> None:
    """Show why: patches matched, votes cast. INPUT is a file, or - for standard input.

    Of a detector each box: the region proposed, its votes, how it was moved,
    what gave way to it; missed objects, where annotations lie beside INPUT.
    """
    refuse_no_model(model)
    refuse_all_but_a_file(asked)
    from glassnet.doors.commands import explain as work

    work.explain(model, asked, out, right, json)


@glassnet.command()
@model_argument
@click.option("--data", metavar="DATA", help="The examples to look at; what the model learnt from unless given.")
@out_option("Where the page goes; features-MODEL.html unless given. A .png: what rbm layers learnt.")
@settings(Reading)
@as_json
def features(model: Path, data: str | None, out: Path | None, reading: Reading, json: bool) -> None:
    """Show what each feature of each layer answers to, and what feeds it.

    MODEL is no detector: of those explain shows what was seen in each region.
    """
    refuse_no_model(model)
    if data is not None:
        refuse_missing(data)
    from glassnet.doors.commands import features as work

    work.features(model, data, out, reading, json)


@glassnet.command()
@data_argument
@out_option("Where the contact sheet goes; show-DATA.png unless given.")
@settings(Reading)
@as_json
def show(data: str, out: Path | None, reading: Reading, json: bool) -> None:
    """Show what is in a data set, with a contact sheet.

    Of boxes also what is doubtful in the annotations, with file and line.
    """
    refuse_missing(data)
    from glassnet.doors.commands import show as work

    work.show(data, out, reading, json)


@glassnet.command()
@data_argument
@settings(Reading)
@whole_number("seed", 0, "The same seed gives the same answer.", 0)
@as_json
def check(data: str, reading: Reading, seed: int, json: bool) -> None:
    """Tell whether a ConvNet is right for DATA: whether the order of its places matters."""
    refuse_missing(data)
    from glassnet.doors.commands import check as work

    work.check(data, reading, seed, json)


@glassnet.command()
@data_argument
@out_option("Where it goes; models/DATA-tuned unless given.")
@whole_number("trials", 1, "Nets to try in all; as many as --minutes allows unless given.")
@click.option("--storage", metavar="URL", help="A database that several processes share; a file in --out unless given.")
@settings(Training, Reading)
@as_json
def tune(
    data: str,
    out: Path | None,
    trials: int | None,
    storage: str | None,
    training: Training,
    reading: Reading,
    json: bool,
) -> None:
    """Search the knobs of net and training; train and test the best net.

    What you set (--net, --batch, ...) is not searched. --minutes is for all of it, 20
    unless --trials is given. The same command goes on with what was found; several at
    once share the work.
    """
    refuse_missing(data)
    refuse_missing_weights(training.weights)
    from glassnet.doors.commands import tune as work

    work.tune(data, out, trials, storage, training, reading, json)


@glassnet.command()
@model_argument
@click.option("--to", metavar="FORMAT", default="onnx", help="The format: onnx.  [default: onnx]")
@click.option("--int8", is_flag=True, help="In whole numbers of eight bits; how right it is, is measured.")
@click.option("--data", metavar="DATA", help="For --int8: examples; what the model learnt from unless given.")
@out_option("Where the file goes; MODEL/model.onnx or model-int8.onnx unless given.")
@as_json
def export(model: Path, to: str, int8: bool, data: str | None, out: Path | None, json: bool) -> None:
    """Write MODEL as a standard file for other programs, and for a faster predict.

    It holds the preparation of raw examples too, and is kept only if it answers as the
    model does; with --int8 if it loses 0.5 points of its accuracy at most.
    """
    refuse_no_model(model)
    if data is not None:
        refuse_missing(data)
    from glassnet.doors.commands import export as work

    work.export(model, to, int8, data, out, json)


@glassnet.command()
@click.argument("data", required=False)
@settings(Training, Reading)
@click.option("--again", is_flag=True, help="Measure the peaks again; they are kept otherwise.")
@as_json
def bench(data: str | None, training: Training, reading: Reading, again: bool, json: bool) -> None:
    """Measure this machine, and where a training step's time goes.

    DATA is what to train on; built-in and made-up pictures unless given.
    """
    if data is not None:
        refuse_missing(data)
    from glassnet.doors.commands import bench as work

    work.bench(data, training, reading, again, json)


@glassnet.command()
@click.argument("model", type=PATH, required=False)
@click.option("--host", default="127.0.0.1", metavar="TEXT", help="Where it answers; others get in with a token only.")
@whole_number("port", 0, "The port; 0 for any that is free.", 8000, 65_535)
@as_json
def serve(model: Path | None, host: str, port: int, json: bool) -> None:
    """Open the lab: the local web page, on MODEL or the slides' net, and its HTTP API.

    A detector opens in Ask: its boxes on your pictures, and why each is there. MODEL may
    be a file of glassnet export, which answers /api/predict, but says not why.
    """
    if model is not None:
        refuse_nothing_to_ask(model)
    from glassnet.doors.commands import serve as work

    work.serve(model, host, port, json)


glassnet.add_command(make)


def main() -> None:
    """The `glassnet` command."""
    code = run(sys.argv[1:])
    if world().is_alone:
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # torch's threads that exchanged things outlive Python, and may abort the process then


def run(arguments: list[str]) -> int:
    """Runs a command line. Returns the exit status: 2 for what a person can mend, 130 after Ctrl-C."""
    from glassnet.doors.signals import polite_termination

    polite_termination()
    return ended(lambda: glassnet.main(arguments or ["--help"], prog_name="glassnet", standalone_mode=False))
