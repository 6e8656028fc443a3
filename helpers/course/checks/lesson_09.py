"""The checks of lesson 09, the face service: base64 both ways, PSNR, and a call that may fail."""

import base64
import binascii
import inspect
import io
import math
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy
from PIL import Image, ImageDraw, UnidentifiedImageError

from helpers.course.checks import CannotCheck, Wrong, check, describe
from helpers.course.checks.answers import as_number, require_answer
from helpers.faces.client.errors import FaceServiceError
from helpers.faces.quality import psnr as right_psnr
from helpers.faces.service.server import FaceService
from helpers.pictures.encoded import to_data_url, to_png

PREFIX = "data:image/png;base64,"


def drawing(color: str, size: tuple[int, int] = (24, 16)) -> Image.Image:
    picture = Image.new("RGB", size, color)
    ImageDraw.Draw(picture).line((2, 3, size[0] - 4, size[1] - 2), fill="white")
    return picture


@check("09.encode")
def encode(as_text: Callable, small: Image.Image) -> str:
    for image in (small, drawing("teal")):
        _check_text(as_text(image), image)
    return "The text holds the whole picture, as PNG, and says so in front."


def _check_text(text: object, image: Image.Image) -> None:
    require_answer(text)
    if isinstance(text, bytes):
        raise Wrong(
            "The function returns bytes, and JSON has no bytes. `b64encode` gives bytes too: turn "
            "them into text with `.decode()`."
        )
    if not isinstance(text, str):
        raise Wrong(f"The function should return text; it returns {describe(text)}.")
    if "b'" in text[:40]:
        raise Wrong(
            f"The text begins with {text[:30]!r}. The `b'` comes from `str(…)` or an f-string "
            "around bytes: use `.decode()` on them."
        )
    if not text.startswith(PREFIX):
        raise Wrong(
            f"The text begins with {text[:30]!r}. The server needs to know first what it is: it "
            f"must begin with {PREFIX!r}."
        )
    try:
        encoded = "".join(text[len(PREFIX) :].split())  # lines may be broken, as in an e-mail
        data = base64.b64decode(encoded, validate=True)
        with Image.open(io.BytesIO(data)) as sent:
            kind, pixels = sent.format, sent.convert("RGB")
    except Exception as error:  # whatever is there instead of a picture
        raise Wrong(
            "After the words in front there is no picture in base64. Did you save the picture "
            "into the `BytesIO` first, and take its bytes with `.getvalue()`?"
        ) from error
    if kind != "PNG":
        raise Wrong(
            f"The words in front say PNG, but the picture was saved as {kind}. JPEG would also "
            'lose some of it: save with `"PNG"`.'
        )
    if pixels.size != image.size or pixels.tobytes() != image.convert("RGB").tobytes():
        raise Wrong("This is a picture, but not the one that your function was given.")


@check("09.decode")
def decode(from_text: Callable) -> str:
    picture = drawing("teal")
    _check_picture(_decoded(from_text, to_data_url(picture)), picture)
    named = to_data_url(picture).replace(";base64", ";name=repaired.png;base64")
    longer = base64.b64encode(to_png(drawing("navy", (40, 40)))).decode()
    for text, wanted in (
        (named, picture),
        ("data:image/x-portable;base64," + longer, drawing("navy", (40, 40))),
    ):
        try:
            answer = from_text(text)
            answer.load()
        except Exception as error:
            raise Wrong(
                f"It is right for texts that begin with {PREFIX!r}. But {text[:46]!r} begins with "
                "more words. Cut at the comma, not after a fixed number of characters."
            ) from error
        _check_picture(answer, wanted)
    return "Text in, picture out, whatever the words in front."


def _decoded(from_text: Callable, text: str) -> object:
    try:
        return from_text(text)
    except (binascii.Error, UnidentifiedImageError) as error:
        raise Wrong(
            "What your function decodes is not the base64 alone. Only what comes after the first "
            'comma is base64: item 1 of the list that `text.split(",", 1)` gives.'
        ) from error
    except ValueError as error:
        if "null byte" not in str(error):
            raise
        raise Wrong(
            "`Image.open` was given bytes, and takes them for the name of a file. `io.BytesIO(…)` "
            "makes a file of them."
        ) from error


def _check_picture(answer: object, wanted: Image.Image) -> None:
    require_answer(answer)
    if isinstance(answer, bytes):
        raise Wrong(
            "The function returns bytes: a PNG file, but no picture yet. `Image.open` reads a "
            "file; `io.BytesIO(…)` makes one out of bytes."
        )
    if isinstance(answer, io.BytesIO):
        raise Wrong("The function returns a file in memory. `Image.open` makes a picture of it.")
    if not isinstance(answer, Image.Image):
        raise Wrong(f"The function should return a PIL image; it returns {describe(answer)}.")
    same = answer.size == wanted.size
    if not same or answer.convert("RGB").tobytes() != wanted.tobytes():
        raise Wrong("It returns a picture, but not the one in the text that it was given.")


@check("09.psnr")
def psnr(my_psnr: Callable) -> str:
    truth = drawing("teal")
    for other, share in (("olive", 0.2), ("navy", 0.6)):
        near = Image.blend(truth, drawing(other), share)
        _check_decibels(my_psnr, near, truth)
    _check_equal_pictures(my_psnr, truth)
    return "Where the differences are half as large, this number is 6 dB higher."


def _check_decibels(my_psnr: Callable, near: Image.Image, truth: Image.Image) -> None:
    wanted = right_psnr(near, truth)
    answer = as_number(my_psnr(near.copy(), truth.copy()), "one number")
    found = f"For one pair of pictures it should be {wanted:.2f} dB; yours is {answer:.2f}"
    if _wraps(my_psnr):
        raise Wrong(
            f"{found}. Pixels are whole numbers from 0 to 255, and in that type 20 - 200 wraps "
            "around to 76. Turn both pictures into decimal numbers before you subtract: "
            "`numpy.asarray(image, dtype=float)`."
        )
    slips = {
        "Only the sign is wrong: 255² is above the line, the error below.": -wanted,
        "That is half of it. Squared values go with 10 · log10.": wanted / 2,
        "The largest possible value of these pixels is 255, not 1.": wanted - 20 * math.log10(255),
        "Above the error is 255², not 255.": wanted - 10 * math.log10(255),
        "`log` is the natural logarithm; decibels use `log10`.": wanted * math.log(10),
        "Square the differences first, then take the mean. The other way around, those above 0 "
        "and those below cancel each other out.": _mean_first(near, truth),
        "The differences must be squared before the mean is taken.": _without_squares(near, truth),
    }
    if math.isclose(answer, wanted, abs_tol=0.01):
        return
    for message, slip in slips.items():
        if math.isclose(answer, slip, abs_tol=0.01):
            raise Wrong(f"{found}. {message}")
    raise Wrong(
        f"{found}. The error is the mean of the squared differences, over all pixels and colors."
    )


def _check_equal_pictures(my_psnr: Callable, picture: Image.Image) -> None:
    try:
        with numpy.errstate(divide="ignore"):
            answer = as_number(my_psnr(picture.copy(), picture.copy()), "one number")
    except ZeroDivisionError:
        answer = math.nan
    if answer != math.inf:
        raise Wrong(
            "For two equal pictures the error is 0, and nothing can be divided by 0. Return "
            "`numpy.inf` then."
        )


def _without_squares(image: Image.Image, truth: Image.Image) -> float:
    one, other = (numpy.asarray(picture, dtype=float) for picture in (image, truth))
    return 10 * math.log10(255**2 / numpy.abs(one - other).mean())


def _mean_first(image: Image.Image, truth: Image.Image) -> float:
    one, other = (numpy.asarray(picture, dtype=float) for picture in (image, truth))
    return 10 * math.log10(255**2 / (one - other).mean() ** 2)


def _wraps(my_psnr: Callable) -> bool:
    """Whether the largest difference is found too small, as in whole numbers without a sign."""
    dark, bright = (Image.new("RGB", (8, 8), (level,) * 3) for level in (20, 200))
    wrapped = {10 * math.log10(255**2 / error) for error in (76**2, 76**2 % 256)}
    found = [float(my_psnr(*pair)) for pair in ((dark, bright), (bright, dark))]
    return any(math.isclose(one, other, abs_tol=0.01) for one in found for other in wrapped)


@check("09.fallback")
def fallback(improve_or_keep: Callable, service: FaceService) -> str:
    if not service.running:
        raise CannotCheck("The face service is not running: run the cell that starts it again.")
    picture = drawing("teal", (48, 48))
    _check_improved(improve_or_keep(picture.copy(), service.url), picture)
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        off = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    _check_kept(improve_or_keep, picture, off, "an address where nobody listens")
    with _server_that_says(404, b"<html>Not here</html>") as url:
        what = "a server that answers that there is no such page (404)"
        _check_kept(improve_or_keep, picture, url, what)
    with _server_that_says(200, b'{"data": ["no picture"]}') as url:
        what = "a server whose answer holds no picture"
        _check_kept(improve_or_keep, picture, url, what)
    return "The improved picture if it is available, or else the original: nothing is lost."


def _check_improved(improved: object, picture: Image.Image) -> None:
    if improved is None:
        raise Wrong(
            "With the service running, the function returns nothing (`None`). Is there a "
            "`return` in front of the call?"
        )
    if not isinstance(improved, Image.Image):
        raise Wrong(f"It should return a picture; it returns {describe(improved)}.")
    if improved.size == picture.size:
        raise Wrong(
            "The service is running, and yet the picture comes back as it went in, not twice as "
            "wide. Does the function return what the service gave?"
        )
    if improved.size != (96, 96):
        raise Wrong(f"With factor 2, 48 pixels become 96; the picture has {improved.width}.")


def _check_kept(improve_or_keep: Callable, picture: Image.Image, url: str, what: str) -> None:
    """Raise Wrong unless the picture comes back when the service at `url` fails; `what` names it.

    No error may reach the learner as if it were theirs: the check chose the address.
    """
    given = picture.copy()
    try:
        kept = improve_or_keep(given, url)
    except FaceServiceError:
        raise Wrong(
            f"The check called your function with {what}. {_slip_of(improve_or_keep)}"
        ) from None
    except Exception as error:
        raise Wrong(
            f"The check called your function with {what}. There your function raised "
            f"`{type(error).__name__}`. Whatever fails, it should return the picture that it was "
            "given."
        ) from error
    if kept is None:
        raise Wrong(
            f"The check called your function with {what}. It returned nothing (`None`). The "
            "picture that you had should come back then."
        )
    if isinstance(kept, Image.Image) and kept.width == 2 * picture.width:
        raise Wrong(
            f"The check called your function with {what}, and yet an improved picture comes back. "
            "Does the function call the service at `url`?"
        )
    if not isinstance(kept, Image.Image) or kept.tobytes() != picture.tobytes():
        raise Wrong(
            f"The check called your function with {what}, and something else comes back than the "
            "picture that you had. Return `image` itself then."
        )


def _slip_of(improve_or_keep: Callable) -> str:
    try:
        catches = "except" in inspect.getsource(improve_or_keep)
    except (OSError, TypeError):
        catches = False
    if catches:
        return (
            "`improve_face` raised `FaceServiceError`, and your `except` waits for an error of "
            "another kind: write `except FaceServiceError:`."
        )
    return (
        "`improve_face` raised `FaceServiceError`, as it should, and your function let the error "
        "through. Put the call into a `try:`, and say in `except FaceServiceError:` what to "
        "return instead."
    )


@contextmanager
def _server_that_says(status: int, body: bytes) -> Iterator[str]:
    """The address of a server that gives every request the same answer."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer

        def log_message(self, *_) -> None:
            """Nothing: the learner did not start this server."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
