"""Calling a face service: `improve_face`.

improve_face(image)                                          # this class's own service
improve_face(image, url="http://192.168.1.20:7870")          # on another computer
improve_face(image, url="https://example.org/api/predict")   # any of the GFP-GAN demos' kind
improve_face(image, url="Xintao/GFPGAN")                     # a public Space, by its id
"""

import math
import os
import re
import threading
from numbers import Real

from PIL import Image

from helpers.faces.client.connection import Connection, origin, shown
from helpers.faces.client.errors import FaceServiceError
from helpers.faces.client.protocols import Endpoint, discover
from helpers.faces.contract import NAME, PORT, checked_factor

URL_VARIABLE = "FACE_API_URL"
CLASS_URL = f"http://127.0.0.1:{PORT}"
PROBE_SECONDS = 5.0  # where nobody listens, the answer comes at once
SPACE_ID = re.compile(r"(?:https://huggingface\.co/spaces/)?([\w-]+/[\w.-]+)/?")

_known: dict[str, Endpoint] = {}  # by address: how its service wants to be called
_own_service = None  # the one that this process started
_starting = threading.Lock()


def improve_face(
    image: Image.Image,
    factor: int = 2,
    url: str | None = None,
    token: str | None = None,
    timeout: float = 60,
) -> Image.Image:
    """Send a picture to a face service, and give back the improved one.

    The service may be the course's own (`python -m helpers faces`), a GFP-GAN demo with the
    classic `/api/predict`, or any Gradio app that takes a picture and gives one. How it wants to
    be called is found out at the first call and remembered.

    Args:
        image: A PIL image with a face. It is not changed; it is sent upright, as its EXIF note
            says, and what is transparent as white.
        factor: How many times as wide and high the result shall be: 1, 2, 3 or 4.
        url: A Gradio app's address, an endpoint's, or the id of a public Space ("owner/name"). None
            takes the address in the environment variable FACE_API_URL; else the service that runs
            on this computer; else it starts one in this process, and says so.
        token: For services that want one. It goes to the url's host and to no other.
        timeout: Seconds for the whole call, all retries included. The start of a service of one's
            own is not counted.

    Returns:
        The improved picture, in RGB.

    Raises:
        FaceServiceError: Whatever went wrong. The message says what happened, whose side it is
            on, and what to do; `image` is as it was.
    """
    _check_image(image)
    try:
        factor = checked_factor(factor)
    except ValueError as error:
        raise _wrong(str(error)) from None
    _check_timeout(timeout)
    _check_token(token)
    address = service_address(url)
    connection = Connection(address, token, float(timeout))
    return connection.run(lambda: _improve(connection, address, image, factor))


def _improve(connection: Connection, address: str, image: Image.Image, factor: int) -> Image.Image:
    if address not in _known:
        _known[address] = discover(connection, address)
    try:
        return _known[address].improve(connection, image, factor)
    except FaceServiceError as error:
        if error.status in (404, 405):  # another program has the address now: look again next time
            _known.pop(address, None)
        raise


# --- Where ---------------------------------------------------------------------------------------


def service_address(url: str | None = None) -> str:
    """The address that `improve_face(url=url)` calls.

    Raises `FaceServiceError` if it is not one, or if no service could be started.
    """
    source = "url"
    if url is None and os.environ.get(URL_VARIABLE, "").strip():
        url, source = os.environ[URL_VARIABLE].strip(), f"the variable {URL_VARIABLE}"
    if url is None:
        return CLASS_URL if _class_service_runs() else _own_address()
    if not isinstance(url, str):
        raise _wrong(f"url must be text or None; got {url!r:.100} ({type(url).__name__})")
    if space := SPACE_ID.fullmatch(url.strip()):
        # https://huggingface.co/docs/hub/spaces-embed: the address that a Space has of its own.
        subdomain = re.sub(r"[^a-z0-9]+", "-", space[1].lower()).strip("-")
        return f"https://{subdomain}.hf.space"
    try:
        origin(url.strip())
    except FaceServiceError as error:
        raise FaceServiceError(f"In {source}: {error.what}", error.side, error.advice) from None
    return url.strip()


def _class_service_runs() -> bool:
    """Whether the class's service, and nothing else, answers at its port on this computer."""
    connection = Connection(CLASS_URL, None, PROBE_SECONDS)
    about = f"{CLASS_URL}/about"
    try:
        reply = connection.run(
            lambda: connection.request("GET", about, repeatable=True, max_tries=1).json()
        )
    except FaceServiceError:
        return False
    return isinstance(reply, dict) and reply.get("name") == NAME


def _own_address() -> str:
    """The service that this process runs; the first call starts it."""
    global _own_service
    with _starting:
        if _own_service is None or not _own_service.running:
            try:
                from helpers.faces.service.server import start

                _own_service = start(port=0)
            except Exception as error:  # gradio, torch or the weights may be missing or broken
                raise FaceServiceError(
                    "No face service runs on this computer, and none could be started: "
                    f"{type(error).__name__}: {shown(error)}.",
                    "yours",
                    "Run `python -m helpers faces` in a terminal and read what it says, or pass "
                    "the url of another service.",
                ) from error
            print(
                "No face service was running on this computer, so one was started in this "
                f"program: {_own_service.url}"
            )
        return _own_service.url


# --- Checks --------------------------------------------------------------------------------------


def _check_image(image: object) -> None:
    if not isinstance(image, Image.Image):
        given = "None" if image is None else type(image).__name__
        raise _wrong(
            f"image must be a PIL image; got {given}",
            "Open a file with Image.open(path), or take images[0] of a pipeline's result.",
        )
    if 0 in image.size:
        raise _wrong(f"image must have pixels; got {image.width} x {image.height}")


def _check_timeout(timeout: object) -> None:
    is_number = isinstance(timeout, Real) and not isinstance(timeout, bool)
    if not is_number or not math.isfinite(timeout) or timeout <= 0:
        raise _wrong(f"timeout must be a number of seconds above 0; got {timeout!r:.40}")


def _check_token(token: object) -> None:
    if token is None:
        return
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token:
        # Not shown: it is a secret.
        raise _wrong(
            "token must be text of letters, digits and signs, without spaces or line ends",
            "Copy it again, and watch for a line end that came along.",
        )


def _wrong(what: str, advice: str = "Correct it and call again.") -> FaceServiceError:
    return FaceServiceError(f"{what}.", "yours", advice)
