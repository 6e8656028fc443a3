"""The pages together, and the server that shows them."""

import html
import secrets
from collections.abc import Callable, Collection
from pathlib import Path

import fastapi
import gradio as gr
from gradio import networking

from helpers.app.access import UPLOAD, AccessControl
from helpers.app.answers import connect
from helpers.app.limits import LIMITS
from helpers.app.pages import actions, album, change, explore, faces, generate, rate, teacher
from helpers.app.picture_routes import PictureRoutes
from helpers.app.studio import Studio
from helpers.app.theme import theme
from helpers.base.web_guard import Guard
from helpers.faces.service.web_server import WebServer

TITLE = "Sticker studio"
STYLE = Path(__file__).with_name("theme.css")
SCRIPT = Path(__file__).with_name("app.js")
FIRST_PORT, PORTS = 7860, 20
UPLOADS_KEPT = 3600  # seconds
BODY = 200_000
"""Bytes of a request that is no upload."""


class StudioBlocks(gr.Blocks):
    """Gradio's app, which refuses what does not fit with a sentence."""

    async def preprocess_data(
        self,
        block_fn: gr.blocks.BlockFunction,
        inputs: list,
        state: object,
        explicit_call: bool = False,
    ) -> list:
        names = [getattr(block, "label", None) or "a value" for block in block_fn.inputs]
        if len(inputs) < len(names):
            raise _refused(
                f"/{block_fn.api_name} takes {len(names)} values, and got {len(inputs)}. "
                f"It lacks: {', '.join(names[len(inputs) :])}."
            )
        try:
            for block, value in zip(block_fn.inputs, inputs, strict=False):
                _check_files(block, value)
            return await super().preprocess_data(block_fn, inputs, state, explicit_call)
        except gr.Error:
            raise
        except Exception as error:  # gradio's own checks raise a dozen unrelated classes
            raise _refused("A value of this request is not of the right kind.") from error


def _check_files(block: gr.blocks.Block, value: object) -> None:
    """Refuse a file that was not uploaded: gradio would fetch it, or look for it here."""
    values = value if isinstance(value, list) else [value]
    for one in values:
        if not isinstance(one, dict) or "path" not in one:
            continue
        path = one["path"]
        if not isinstance(block, gr.File) or not isinstance(path, str):
            raise _refused(f"{block.label or 'This value'} is not a file.")
        uploads = Path(gr.utils.get_upload_folder()).resolve()
        if not Path(path).resolve().is_relative_to(uploads):
            raise _refused(
                "The picture must be uploaded; an address is not fetched, and no other file is "
                "read."
            )


def _refused(sentence: str) -> gr.Error:
    return gr.Error(html.escape(sentence, quote=False), print_exception=False)


def build(studio: Studio) -> gr.Blocks:
    """All pages, connected, not yet served."""
    with StudioBlocks(
        title=TITLE, analytics_enabled=False, delete_cache=(600, UPLOADS_KEPT)
    ) as blocks:
        gr.HTML(
            f"<header><h1>{TITLE}</h1><p>Draw with the course's own models. All that you do here "
            "stays on this computer.</p></header>"
        )
        with gr.Tabs() as tabs:
            with gr.Tab("Generate", id="generate"):
                generating = generate.build(studio)
            with gr.Tab("Change", id="change") as tab:
                changing = change.build(studio, tab)
            with gr.Tab("Explore", id="explore"):
                explore.build(studio)
            with gr.Tab("Faces", id="faces") as tab:
                improving = faces.build(studio, tab)
            with gr.Tab("Rate", id="rate") as tab:
                rating = rate.build(studio, tab)
            with gr.Tab("Album", id="album") as tab:
                album.build(studio, tab)
            with gr.Tab("Teacher", id="teacher", visible=False) as for_teacher:
                teacher.build(studio, for_teacher)
        actions.build(studio, tabs, generating, changing, improving, rating)

        connect(
            studio,
            blocks.load,
            opened,
            None,
            [generating.pictures, for_teacher],
            page=generate.PAGE,
            api_visibility="private",
        )
        blocks.unload(studio.stop_window)
        wake = gr.Button("Wake", elem_id="wake", elem_classes="listener")  # app.js says what for
        wake.click(lambda: None, show_progress="hidden", api_visibility="private")
    for block in blocks.blocks.values():
        _take_values_as_they_come(block)
    # Past the queue there is no way in: /run would skip it. Nobody waits in it: the bounds are
    # those of `Visitors` and of the engine.
    return blocks.queue(max_size=None, api_open=False, default_concurrency_limit=None)


def opened(studio: Studio, request: gr.Request) -> tuple[str, gr.Tab]:
    """What a visitor finds on opening the app: the latest pictures, and the Teacher's tab."""
    visitor = studio.visitors.of(request)
    return generate.latest(studio, visitor.id), gr.Tab(visible=visitor.is_teacher)


def _take_values_as_they_come(block: gr.blocks.Block) -> None:
    """`limits` checks all values, with a better message than that of the component."""
    if isinstance(block, gr.File):
        block.preprocess = lambda sent: sent.path if sent else None
    elif isinstance(block, gr.components.Component) and not isinstance(block, gr.State):
        block.preprocess = lambda sent: sent


def build_app(
    studio: Studio, password: str | None = None, names: Callable[[], Collection[str]] = tuple
) -> fastapi.FastAPI:
    """The pages and the pictures as one web application, behind the guard and the password."""
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(AccessControl, visitors=studio.visitors, password=password)
    app.add_middleware(Guard, max_bytes=_most_bytes, names=names)
    PictureRoutes(studio).add_to(app)
    blocks = build(studio)
    # Gradio looks at the paths in a call only if this is set, which launch() does and
    # mount_gradio_app() forgets: any file of the host could be named as an input.
    blocks.has_launched = True
    return gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        theme=theme(),
        css_paths=STYLE,
        head=f"<script>{SCRIPT.read_text(encoding='utf-8')}</script>",
        max_file_size=LIMITS.upload,
        allowed_paths=[],
        show_error=False,
        footer_links=[],
        enable_monitoring=False,
        run_history=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
    )


def _most_bytes(path: str) -> int:
    return LIMITS.upload + 10_000 if path.startswith(UPLOAD) else BODY


class AppServer(WebServer):
    """The app, served from a thread of this process, and perhaps at a public address as well.

    Args:
        host: The address to listen on: "127.0.0.1" is this computer alone, "0.0.0.0" its network.
        port: None takes the first free one from 7860, 0 any that is free.
        share: Make a public address through Gradio's servers, for up to a week.
        password: Ask visitors for it.
        names: Further names by which visitors call this computer.

    Raises OSError if the port is taken.

    Attributes:
        share_url: The public address, or None.
        teacher_url: Who opens it is the teacher.
    """

    def __init__(
        self,
        studio: Studio,
        host: str = "127.0.0.1",
        port: int | None = None,
        share: bool = False,
        password: str | None = None,
        names: tuple[str, ...] = (),
    ):
        self.studio = studio
        self.share_url: str | None = None
        ports = range(FIRST_PORT, FIRST_PORT + PORTS) if port is None else (port,)
        super().__init__(
            lambda: build_app(studio, password, lambda: self._names(names)), "the app", host, *ports
        )
        if share:
            self._share()

    @property
    def teacher_url(self) -> str:
        return f"{self.url}/teacher?key={self.studio.visitors.teacher_key}"

    def _names(self, further: tuple[str, ...]) -> tuple[str, ...]:
        shared = (self.share_url.rpartition("/")[2],) if self.share_url else ()
        return (*further, *shared)

    def _share(self) -> None:
        try:
            address = networking.setup_tunnel(
                local_host="127.0.0.1",
                local_port=self.port,
                share_token=secrets.token_urlsafe(32),
                share_server_address=None,
                share_server_tls_certificate=None,
            )
            self.share_url = "https://" + address.partition("://")[2].rstrip("/")
        except Exception as error:  # no network, or Gradio's servers are away
            print(f"No public address: {error}")


def serve(studio: Studio, **options: object) -> None:
    """Show the app until it is interrupted; `options` are those of `AppServer`."""
    with AppServer(studio, **options) as server:
        print(about(server), flush=True)
        try:
            server.wait()
        except KeyboardInterrupt:
            print("The app stops.")


def about(server: AppServer) -> str:
    """What a person who started the app wants to know."""
    lines = [f"The app runs at {server.url} (Ctrl-C stops it)."]
    if server.host not in ("127.0.0.1", "localhost"):
        lines.append(
            f"Others open http://THIS-COMPUTER:{server.port}, with this computer's address."
        )
    if server.share_url:
        lines.append(f"Everybody can open {server.share_url} for up to a week.")
    if len(lines) > 1:
        lines.append(f"To pause drawing and to hide pictures, open {server.teacher_url}")
    return "\n".join(lines)
