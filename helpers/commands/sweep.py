"""`python -m helpers sweep` makes a picture for every combination of settings, in a folder.

    python -m helpers sweep --prompt "a 3d sticker of a fox" --seed 1 2 3 \\
        --guidance-scale 2:21:3 --folder out

A setting with several values is an axis of the grid; the first one gives the rows, the second
the columns, a third the pages. Numbers can be ranges, start:stop:step, as in Python's range: stop
is left out, the step may be a fraction. The folder gets a PNG a picture with its settings inside,
a manifest and a contact sheet. The same command on the same folder goes on where it was stopped.

`accelerate launch --multi_gpu -m helpers sweep …` deals the pictures over several GPUs, or with
`--num_processes` over several processes without a GPU.

Exit status: 0, 1 if a picture is missing, 2 if something in the command is wrong.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import warnings
from dataclasses import Field, fields
from decimal import Decimal
from typing import TYPE_CHECKING, get_args

from helpers.sampling.cell import Cell

if TYPE_CHECKING:
    from helpers.sweeps.result import Sweep

MISTAKES = (OSError, ValueError, TypeError, LookupError, ImportError, MemoryError)
LONGEST_RANGE = 1000
LARGEST_NUMBER = 2**63


def _kind(setting: Field) -> type:
    """int for `int` and `int | None`, and so on; a scheduler is named by a text."""
    return next((k for k in (int, float) if k in (setting.type, *get_args(setting.type))), str)


KINDS = {setting.name: _kind(setting) for setting in fields(Cell)}
"""What a sweep can set, and of which kind the values on the command line are."""


class _Setting(argparse.Action):
    """Keeps the settings together, in the order in which they were written."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: list[str],
        option_string: str | None = None,
    ):
        settings = dict(getattr(namespace, "settings", None) or {})
        settings.pop(self.dest, None)  # the last one counts, and its place
        namespace.settings = settings | {self.dest: values}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.usage = "%(prog)s --prompt TEXT [TEXT ...] [--SETTING VALUE ...] --folder FOLDER"
    for name, kind in KINDS.items():
        parser.add_argument(
            _option(name),
            nargs="+",
            action=_Setting,
            default=argparse.SUPPRESS,
            metavar="TEXT" if kind is str else "NUMBER",
            help="one or several" if kind is str else "one or several, or start:stop:step",
        )
    parser.add_argument("--folder", required=True, help="where the pictures are kept")
    parser.add_argument(
        "--model", default="stickers", help="a name that `models` lists, or a folder (stickers)"
    )
    parser.add_argument("--device", help="cuda, mps or cpu; without it the fastest")
    parser.add_argument(
        "--mode", default="batched", help="batched, or exact: as pipe() draws, bit by bit"
    )
    parser.add_argument("--fast", action="store_true", help="use the cores of a CPU better")
    parser.add_argument("--max-rows", type=int, help="rows of a U-Net call, for less memory")


def run(arguments: argparse.Namespace) -> None:
    from helpers.sweeps.distributed import launched_processes

    first = launched_processes().is_first
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *place, **where: print(message, file=sys.stderr)
        try:
            result = _sweep(arguments)
        except MISTAKES as error:
            if first:
                print("python -m helpers sweep:", *str(error).split(), file=sys.stderr)
            sys.exit(2)
    if first:
        _report(result, arguments.folder)
    if len(result.images) < len(result):
        sys.exit(1)


def values_of(name: str, texts: list[str]) -> list:
    """The values that stand on the command line for a setting, its ranges written out.

    Raises ValueError for what is no number or no range.
    """
    kind = KINDS[name]
    if kind is str:
        return list(texts)
    return [kind(number) for text in texts for number in _numbers(name, text, kind)]


def _sweep(arguments: argparse.Namespace):
    # What is wrong with the command is told at once, before anything large is imported.
    settings = {name: values_of(name, texts) for name, texts in _given(arguments).items()}
    from helpers.models.load import load_pipeline
    from helpers.sweeps.run import sweep

    pipe = load_pipeline(arguments.model, _device(arguments.device))
    options = {} if arguments.max_rows is None else {"max_rows": arguments.max_rows}
    return sweep(
        pipe,
        folder=arguments.folder,
        mode=arguments.mode,
        fast=arguments.fast,
        **options,
        **{name: some[0] if len(some) == 1 else some for name, some in settings.items()},
    )


def _given(arguments: argparse.Namespace) -> dict[str, list[str]]:
    settings = getattr(arguments, "settings", {})
    if "prompt" not in settings:
        raise ValueError('--prompt must be given, such as --prompt "a 3d sticker of a fox"')
    return settings


def _device(named: str | None) -> str | None:
    """Under a launcher each process has a GPU of its own."""
    import torch

    if named or "LOCAL_RANK" not in os.environ or not torch.cuda.is_available():
        return named
    return f"cuda:{int(os.environ['LOCAL_RANK']) % torch.cuda.device_count()}"


def _report(result: Sweep, folder: str) -> None:
    from helpers.sweeps.folder import SHEET_NAME

    for outcome in result:
        if outcome.error:
            print(f"{outcome.error} ({outcome.settings})", file=sys.stderr)
    print(f"pictures in {folder}: {len(result.images)}; all at a glance: {SHEET_NAME}")


def _numbers(name: str, text: str, kind: type) -> list[Decimal]:
    """A number, or the numbers of a range; decimal ones, since 0.1 + 0.2 is 0.3 for a learner."""
    try:
        numbers = [Decimal(part) for part in text.split(":")]
    except ArithmeticError:
        numbers = []
    if not 1 <= len(numbers) <= 3:
        raise ValueError(f"{_option(name)} must be numbers or ranges start:stop:step; got {text!r}")
    if len(numbers) > 1 or kind is int:
        if not all(number.is_finite() and abs(number) <= LARGEST_NUMBER for number in numbers):
            raise ValueError(f"{_option(name)} must be finite numbers; got {text!r}")
    if kind is int and any(number % 1 for number in numbers):
        raise ValueError(f"{_option(name)} must be whole numbers; got {text!r}")
    return numbers if len(numbers) == 1 else _range(name, text, *numbers)


def _range(
    name: str, text: str, start: Decimal, stop: Decimal, step: Decimal = Decimal(1)
) -> list[Decimal]:
    if not step:
        raise ValueError(f"{_option(name)} must have a step other than 0; got {text!r}")
    count = math.ceil((stop - start) / step)
    if count < 1:
        raise ValueError(
            f"{_option(name)} must hold a value, and as in Python's range stop is left out; "
            f"got {text!r}"
        )
    if count > LONGEST_RANGE:
        raise ValueError(
            f"{_option(name)} must be a range of up to {LONGEST_RANGE} values; got {text!r}, "
            f"which has {count}"
        )
    return [start + i * step for i in range(count)]


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
