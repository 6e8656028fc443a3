"""The class's face service: a picture and a factor in, the improved picture out.

    with start(port=0) as service:
        print(service.url)

One address, two languages, as the GFP-GAN demos had them over the years:

- Gradio's of today, for its page, for `gradio_client` and for `helpers.improve_face`:
  `/gradio_api/call/predict` (image, version, factor) and `/gradio_api/call/improve`
  (image, factor).
- Gradio 3's, for tutorials of 2022: `POST /api/predict` or `/run/predict` with
  `{"data": ["data:image/png;base64,…", 2]}`, or with a version in between; the answer is
  `{"data": ["data:image/png;base64,…"], …}`.

A stranger may send anything: so bodies, pictures, factors and the number of waiting calls are
limited, only PNG, JPEG and WebP are read, no address is fetched and no file of this computer is
served. Nothing is reported to anybody.
"""

import asyncio
import functools
import html
import inspect
import logging
import os
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

# Before gradio is imported, or parts of it report their use whatever `analytics_enabled` says.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import fastapi
import gradio
import huggingface_hub.constants
from fastapi.responses import JSONResponse
from PIL import Image

from helpers.base.web_guard import Guard
from helpers.faces.contract import FACTORS, NAME, PORT, checked_factor
from helpers.faces.service.jobs import GivenUp, Job, JobQueue, Refused
from helpers.faces.service.listeners import Listeners, Listening
from helpers.faces.service.web_server import WebServer
from helpers.pictures.encoded import MEGAPIXEL, from_base64, from_bytes, to_data_url

# Gradio reports through this library too, which may have been imported long ago.
huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True

_NO_ADDRESS = "The picture must be uploaded; an address is not fetched."
VERSIONS = ("v1.2", "v1.3", "v1.4")  # of GFP-GAN; there is one network here, whichever is named
LOOK_EVERY = 0.2  # seconds between two looks whether a caller is still there

log = logging.getLogger(__name__)


class Restorer(Protocol):
    """What repairs the pictures."""

    def improve(self, image: Image.Image, factor: int) -> Image.Image:
        """The improved picture.

        With a third parameter `go_on`, a function, the service can end the work on a large
        picture: it must be called now and then, and what it raises must be let through.
        """


@dataclass(frozen=True)
class Limits:
    """What the service takes.

    Attributes:
        file_bytes: Of a picture's file; a call may have the third more that base64 adds.
        pixels: Of a picture that comes in.
        result_pixels: Of a picture that goes out: pixels times factor squared.
        seconds: That the work on one call may take, looked at between the parts of a picture.
        at_once: Pictures that are repaired at the same time.
        queue: Calls that may wait for their turn; the next is sent away with "busy".
    """

    file_bytes: int = 8_000_000
    pixels: int = 4 * MEGAPIXEL
    result_pixels: int = 16 * MEGAPIXEL
    seconds: float = 180.0
    at_once: int = 2
    queue: int = 64

    @property
    def body_bytes(self) -> int:
        return self.file_bytes * 4 // 3 + 10_000


# --- The work ------------------------------------------------------------------------------------


class FaceImprover:
    """A restorer, and the queue of those who want something of it."""

    def __init__(self, restorer: Restorer, limits: Limits):
        self.limits = limits
        self._restorer = restorer
        self._in_parts = "go_on" in inspect.signature(restorer.improve).parameters
        self._queue = JobQueue(limits.at_once, limits.queue, limits.seconds)

    async def improve(
        self,
        source: str | bytes | None,
        factor: object,
        finish: Callable[[Image.Image], object],
        is_gone: Callable[[], Awaitable[bool]],
    ) -> object:
        """`finish(the improved picture)` when it is this call's turn; `Refused` says what is wrong.

        `source` is base64 or a file's bytes. As soon as `is_gone()`, the work ends: nobody would
        take its result.
        """
        factor = read_factor(factor)
        image = await asyncio.to_thread(self._read, source)
        pixels = image.width * image.height * factor**2
        if pixels > self.limits.result_pixels:
            raise Refused(
                f"{image.width} x {image.height} pixels times {factor} gives more than "
                f"{self.limits.result_pixels / MEGAPIXEL:g} megapixels. Take a smaller factor "
                "or picture.",
                413,
            )
        job = self._queue.submit(lambda job: finish(self._improved(job, image, factor)), pixels)
        done = asyncio.wrap_future(job.result)
        try:
            while not (await asyncio.wait([done], timeout=LOOK_EVERY))[0]:
                if await is_gone():
                    raise Refused("The caller went away.", 400)
            return done.result()
        finally:
            self._queue.give_up(job)
            done.cancel()

    def _improved(self, job: Job, image: Image.Image, factor: int) -> Image.Image:
        more = {"go_on": lambda: job.look_around(self._queue.do_smaller)} if self._in_parts else {}
        try:
            return self._restorer.improve(image, factor, **more)
        except (GivenUp, Refused):
            raise
        except Exception as error:
            log.exception("The restorer failed on a picture of %s pixels", image.size)
            raise Refused("The service failed on this picture. Its log says why.", 500) from error

    def _read(self, source: str | bytes | None) -> Image.Image:
        """A picture from base64 or from a file's bytes, within the limits."""
        if source is None:
            raise Refused("There is no picture in the call.")
        read = from_base64 if isinstance(source, str) else from_bytes
        try:
            return read(source, self.limits.pixels)
        except ValueError as error:
            raise Refused(f"The picture {error}.") from error

    def close(self) -> None:
        self._queue.close()


def read_factor(sent: object) -> int:
    """The factor as a whole number. A demo's slider sends 2.0, and an old form "2"."""
    try:
        number = float(sent) if isinstance(sent, str) else sent
        whole = isinstance(number, float) and number.is_integer()
        return checked_factor(int(number) if whole else number)
    except ValueError:
        allowed = ", ".join(map(str, FACTORS))
        raise Refused(f"The factor must be one of {allowed}; got {str(sent)[:40]!r}.") from None


# --- The language of Gradio 3 --------------------------------------------------------------------


def add_classic_routes(app: fastapi.FastAPI, improver: FaceImprover) -> None:
    """`POST /api/predict` and `/run/predict`, as Gradio 3 had them."""
    answer = functools.partial(classic_predict, improver)
    for path in ("/api/predict", "/api/predict/", "/run/predict", "/run/predict/"):
        app.add_api_route(path, answer, methods=["POST"])


async def classic_predict(improver: FaceImprover, request: fastapi.Request) -> JSONResponse:
    """Answer one call, with the improved picture or with the reason why not."""
    began = time.perf_counter()
    try:
        try:
            body = await request.json()
        except (ValueError, RecursionError):
            raise Refused("The body of the call is no JSON.", 400) from None
        source, factor = classic_arguments(body)
        improved = await improver.improve(source, factor, to_data_url, request.is_disconnected)
    except Refused as refused:
        headers = {"Retry-After": "2"} if refused.status == 503 else None
        return JSONResponse({"error": str(refused)}, refused.status, headers)
    seconds = time.perf_counter() - began
    return JSONResponse(
        {
            "data": [improved],
            "is_generating": False,
            "duration": seconds,
            "average_duration": seconds,
        }
    )


def classic_arguments(body: object) -> tuple[str, object]:
    """Picture and factor of a call: `[image]`, `[image, factor]`, `[image, version, factor]`."""
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list) or not 1 <= len(data) <= 3:
        raise Refused('The body must be {"data": [image, factor]}.', 400)
    if not isinstance(data[0], str):
        raise Refused(
            "The picture must be text: data:image/png;base64,… (this is the language of Gradio 3)."
        )
    return data[0], data[-1] if len(data) > 1 else 2


# --- The language of Gradio 4 and later ----------------------------------------------------------


def upload_box(**options) -> gradio.Image:
    """A `gradio.Image` that gives the bytes sent; it never fetches an address or reads a path.

    The methods are replaced on the object, because for a subclass of a component gradio writes a
    .pyi file next to the module when it is imported.
    """
    box = gradio.Image(**options)
    move, async_move = box.move_resource_to_block_cache, box.async_move_resource_to_block_cache
    box.preprocess = _sent
    box.move_resource_to_block_cache = lambda path: move(_checked_upload(path))
    box.async_move_resource_to_block_cache = lambda path: async_move(_checked_upload(path))
    return box


def _sent(payload: gradio.data_classes.ImageData | None) -> str | bytes | None:
    """What a call has for a picture: base64, or the bytes of an upload."""
    if payload is None:
        return None
    if payload.url and payload.url.startswith("data:"):
        return payload.url
    if payload.path is None:
        raise gradio.Error(_NO_ADDRESS, print_exception=False)
    return Path(payload.path).read_bytes()


def _checked_upload(path: str | Path | None) -> str | Path | None:
    """A path that came with a call, if it is one of Gradio's uploads."""
    if path is None:
        return None
    if "://" in str(path):
        raise gradio.Error(_NO_ADDRESS, print_exception=False)
    uploads = Path(gradio.utils.get_upload_folder()).resolve()
    if not Path(path).resolve().is_relative_to(uploads):
        raise gradio.Error("The picture must be uploaded; no file is read.", print_exception=False)
    return path


def _kept(picture: Image.Image) -> str:
    """Write a result to where Gradio serves files from, under a name of its own.

    Gradio names a file by its content, and writes it again while another caller who sent the same
    picture, as a class does, reads it.
    """
    folder = Path(gradio.utils.get_upload_folder()) / uuid.uuid4().hex
    folder.mkdir(parents=True)
    picture.save(folder / "improved.png")
    return str(folder / "improved.png")


class ModernCalls:
    """The endpoints `improve` and `predict`; Gradio takes their parameters' names for its API."""

    def __init__(self, improver: FaceImprover, listeners: Listeners):
        self._improver, self._listeners = improver, listeners

    async def improve(
        self, image: str | bytes | None, factor: object = 2, request: gradio.Request = None
    ) -> str:
        session = request.session_hash
        self._listeners.expect(session)

        async def is_gone() -> bool:
            return self._listeners.have_left(session)

        try:
            return await self._improver.improve(image, factor, _kept, is_gone)
        except Refused as refused:
            # The page shows the message as HTML, and it may quote what the caller sent.
            told = html.escape(str(refused), quote=False)
            raise gradio.Error(told, print_exception=False) from refused

    async def predict(
        self,
        image: str | bytes | None,
        version: object = VERSIONS[-1],
        factor: object = 2,
        request: gradio.Request = None,
    ) -> str:
        """`improve` with the arguments of the GFP-GAN demos, for code that was written for them."""
        return await self.improve(image, factor, request)


def build_page(calls: ModernCalls) -> gradio.Blocks:
    """The page in the browser, and its endpoints."""
    with gradio.Blocks(
        title="Face service", analytics_enabled=False, delete_cache=(600, 3600)
    ) as page:
        gradio.Markdown(
            "# Face service\nRepairs the faces of sticker portraits, and enlarges the picture. "
            "The network draws faces that look right; it cannot know the true one."
        )
        with gradio.Row():
            image = upload_box(label="Picture")
            result = gradio.Image(label="Improved", format="png", interactive=False)
        factor = gradio.Number(2, label="Factor", precision=None, minimum=1, maximum=4, step=1)
        factor.preprocess = lambda sent: sent  # FaceImprover checks it, with a better message
        version = gradio.Dropdown(
            list(VERSIONS),
            value=VERSIONS[-1],
            label="Version",
            allow_custom_value=True,
            visible=False,
        )
        button = gradio.Button("Improve", variant="primary")
        button.click(calls.improve, [image, factor], result, api_name="improve")
        gradio.on([], calls.predict, [image, version, factor], result, api_name="predict")
    # All calls wait in one line, which is ours; gradio's own lets everybody through to it.
    page.queue(max_size=None, default_concurrency_limit=None, api_open=False)
    return page


# --- One server for both -------------------------------------------------------------------------


def build_app(improver: FaceImprover) -> fastapi.FastAPI:
    """Both languages in one web application."""
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    listeners = Listeners()
    app.add_middleware(Listening, listeners=listeners)
    app.add_middleware(Guard, max_bytes=lambda path: improver.limits.body_bytes)
    app.add_api_route("/about", lambda: {"name": NAME})
    add_classic_routes(app, improver)
    page = build_page(ModernCalls(improver, listeners))
    # Gradio 6.31 looks at the paths in a call only if this is set, which launch() does and
    # mount_gradio_app() forgets: any file of the host could be named as an input.
    page.has_launched = True
    return gradio.mount_gradio_app(
        app,
        page,
        path="/",
        max_file_size=improver.limits.file_bytes,
        show_error=False,  # what is meant for the caller is a gradio.Error
        ssr_mode=False,
        run_history=False,
        footer_links=["api"],
        pwa=False,
    )


class FaceService(WebServer):
    """A running service, in a thread of this process. Use it with `with`, or call `stop()`."""

    def __init__(self, improver: FaceImprover, host: str, port: int):
        self._improver = improver
        super().__init__(lambda: build_app(improver), "the face service", host, port)

    def stop(self) -> None:
        """Stop serving and free the port. Calls that are under way get a second to end."""
        super().stop()
        self._improver.close()


def start(
    restorer: Restorer | None = None,
    host: str = "127.0.0.1",
    port: int = PORT,
    limits: Limits | None = None,
) -> FaceService:
    """Start the face service in the background.

    Args:
        restorer: What repairs the pictures: an object with `improve(image, factor)`. None is the
            network that comes with the course.
        host: "127.0.0.1" serves this computer alone, "0.0.0.0" the whole network.
        port: 0 takes any that is free.
        limits: What the service takes; None is `Limits()`.

    Returns:
        The running service; its `url` is the address.

    Raises:
        OSError: The port is taken.
    """
    if restorer is None:
        from helpers.faces.restorer import Restorer as Network

        restorer = Network.from_pretrained()
    return FaceService(FaceImprover(restorer, limits or Limits()), host, port)
