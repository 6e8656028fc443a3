"""`python -m helpers faces` starts the class's face service.

It serves a page for the browser, the API of today's Gradio, and the classic `POST /api/predict` of
the GFP-GAN demos, until Ctrl-C.
"""

import argparse
import sys

from helpers.commands.argument_types import count, port
from helpers.faces.contract import PORT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="127.0.0.1 serves this computer alone, 0.0.0.0 everybody on the network "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=port,
        default=PORT,
        help="0 takes any that is free (default: %(default)s, where improve_face looks)",
    )
    parser.add_argument(
        "--at-once",
        type=count,
        default=2,
        help="pictures repaired at the same time (default: %(default)s)",
    )
    parser.add_argument(
        "--queue",
        type=count,
        default=64,
        help="calls that may wait; the next is told to come back (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> None:
    from helpers.faces.service.server import Limits, start

    limits = Limits(at_once=arguments.at_once, queue=arguments.queue)
    try:
        service = start(host=arguments.host, port=arguments.port, limits=limits)
    except OSError as error:
        sys.exit(f"{error.strerror or error}.")
    with service:
        print(about(service.url, arguments.host), flush=True)
        try:
            service.wait()
        except KeyboardInterrupt:
            print("The face service stops.")


def about(url: str, host: str) -> str:
    """What a person who started the service wants to know."""
    lines = [f"The face service runs at {url} (Ctrl-C stops it)."]
    port = url.rpartition(":")[2]
    if host != "127.0.0.1":
        lines += [
            "Everybody on the network can call it, without a password. On the others' computers:",
            f'    improve_face(image, url="http://THIS-COMPUTER:{port}")',
            f"or set FACE_API_URL to http://THIS-COMPUTER:{port}, with this computer's address.",
        ]
    elif int(port) == PORT:
        lines.append("On this computer, improve_face(image) finds it.")
    else:  # improve_face looks at one port only
        lines.append(f'On this computer, improve_face(image, url="{url}") calls it.')
    lines.append(f'By hand: POST {url}/api/predict  {{"data": ["data:image/png;base64,...", 2]}}')
    return "\n".join(lines)
