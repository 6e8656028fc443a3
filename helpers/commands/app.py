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
    parser.add_argument("--ratings", type=Path, default=RATINGS, help="default: %(default)s")
    parser.add_argument("--faces", metavar="URL", help="a face service (default: the course's own)")
    parser.add_argument("--port", type=port, help="default: the first free one from 7860")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="0.0.0.0 lets other computers of your network in (default: this computer alone)",
    )
    parser.add_argument(
        "--share",
        action="store_true",
        help="make a public address through Gradio's servers, for up to a week",
    )
    parser.add_argument("--password", help="ask visitors for it; the name is class")


def run(arguments: argparse.Namespace) -> None:
    from helpers.app.queue import Engine
    from helpers.app.server import serve
    from helpers.app.studio import Studio
    from helpers.feedback.store import Feedback
    from helpers.models.catalogue import shipped_models
    from helpers.models.load import load_pipeline

    if (arguments.share or arguments.host != "127.0.0.1") and not arguments.password:
        print("Everybody who knows the address can come in. With --password WORD they need it.")
    names = arguments.models or shipped_models()
    try:
        feedback = Feedback(arguments.ratings)
        print(f"Loading {', '.join(names)}. Ratings go to {feedback.path}.")
        engine = Engine({name: load_pipeline(name) for name in names}, fast=True).start()
    except sqlite3.Error as error:  # such as "unable to open database file": it names no file
        raise SystemExit(f"The app cannot start: {arguments.ratings}: {error}") from error
    except (ValueError, TypeError, LookupError, OSError, MemoryError) as error:
        raise SystemExit(f"The app cannot start: {error}") from error
    studio = Studio(engine, feedback, faces_url=arguments.faces)
    try:
        serve(studio, arguments.host, arguments.port, arguments.share, arguments.password)
    except OSError as error:
        raise SystemExit(f"The app cannot start: {error}") from error
    finally:
        studio.close()
