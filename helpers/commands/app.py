"""`python -m helpers app` starts the course's web app, for you or for a class."""

import argparse
import sqlite3
from pathlib import Path

from helpers.commands.argument_types import port

RATINGS = Path("feedback") / "ratings.sqlite"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--models",
        nargs="+",
        metavar="NAME",
        help="models to offer, by their names in `python -m helpers models`; real ones, such as "
        "sd-v1-5, where they can run (default: all that come with the course)",
    )
    parser.add_argument(
        "--lora",
        nargs="+",
        type=Path,
        default=[],
        metavar="FOLDER",
        help="LoRAs to offer on top of each model that they fit, such as lesson 12 makes",
    )
    parser.add_argument("--ratings", type=Path, default=RATINGS, help="default: %(default)s")
    parser.add_argument("--faces", metavar="URL", help="a face service (default: the course's own)")
    parser.add_argument("--port", type=port, help="default: the first free one from 7860")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="0.0.0.0 lets other computers of your network in (default: this computer alone)",
    )
    parser.add_argument(
        "--name",
        nargs="+",
        default=[],
        metavar="HOST",
        help="names with a dot by which others call this computer, such as app.school.example",
    )
    parser.add_argument(
        "--share",
        action="store_true",
        help="make a public address through Gradio's servers, for up to a week",
    )
    parser.add_argument("--password", help="ask visitors for it")


def run(arguments: argparse.Namespace) -> None:
    from helpers.app.queue import Engine
    from helpers.app.server import serve
    from helpers.app.studio import Studio
    from helpers.feedback.store import Feedback

    if (arguments.share or arguments.host != "127.0.0.1") and not arguments.password:
        print("Everybody who knows the address can come in. With --password WORD they need it.")
    try:
        pipes = load_models(arguments.models, arguments.lora)
        feedback = Feedback(arguments.ratings)  # the last that can fail: it makes a file
        print(f"Ratings go to {feedback.path}.")
        engine = Engine(pipes, fast=True).start()
    except sqlite3.Error as error:  # such as "unable to open database file": it names no file
        raise SystemExit(f"The app cannot start: {arguments.ratings}: {error}") from error
    except (ValueError, TypeError, LookupError, OSError, MemoryError) as error:
        raise SystemExit(f"The app cannot start: {error}") from error
    studio = Studio(engine, feedback, faces_url=arguments.faces)
    try:
        serve(
            studio,
            host=arguments.host,
            port=arguments.port,
            share=arguments.share,
            password=arguments.password,
            names=tuple(arguments.name),
        )
    except OSError as error:
        raise SystemExit(f"The app cannot start: {error}") from error
    finally:
        studio.close()


def load_models(names: list[str] | None, loras: list[Path]) -> dict[str, object]:
    """The pipelines by the engine's names: the models, and each with every LoRA that fits on it.

    Raises ValueError for a LoRA that fits on none of them.
    """
    from helpers.app.studio import WITH
    from helpers.models.catalogue import shipped_models
    from helpers.models.load import load_pipeline
    from helpers.models.lora import Misfit

    names = names or shipped_models()
    print(f"Loading {', '.join(names)}.")
    pipes = {name: load_pipeline(name) for name in names}
    for lora in loras:
        fits, misfit = [], None
        for name in names:
            try:
                pipes[f"{name}{WITH}{lora.resolve().stem}"] = load_pipeline(name, lora=lora)
                fits.append(name)
            except Misfit as error:
                misfit = error
        if not fits:
            raise misfit
        print(f"The LoRA {lora.resolve().stem} is offered for {', '.join(fits)}.")
    return pipes
