"""The pages together, and the server that shows them."""

import html
import re
import secrets
from pathlib import Path

import fastapi
import gradio as gr
from fastapi.responses import FileResponse, JSONResponse, Response
from gradio import networking
from starlette.background import BackgroundTask

from helpers.app.access import UPLOAD, AccessControl
from helpers.app.answers import connect
from helpers.app.limits import LIMITS
from helpers.app.pages import actions, album, change, explore, faces, generate, rate, teacher
from helpers.app.studio import Studio
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

    async def preprocess_data(self, block_fn, inputs, state, explicit_call=False):
        names = [getattr(block, "label", None) or "a value" for block in block_fn.inputs]
        if len(inputs) < len(names):
            raise _refused(
                f"/{block_fn.api_name} takes {len(names)} values, and got {len(inputs)}. "
                f"It lacks: {', '.join(names[len(inputs) :])}."
            )
        for block, value in zip(block_fn.inputs, inputs, strict=False):
            _check_files(block, value)
        try:
            return await super().preprocess_data(block_fn, inputs, state, explicit_call)
        except gr.Error:
            raise
        except Exception as error:  # gradio's own checks: it raises a dozen unrelated classes
            raise _refused("A value of this request is not of the right kind.") from error


def _check_files(block, value: object) -> None:
    """Refuse a file that was not uploaded: gradio would fetch it, or look for it here."""
    values = value if isinstance(value, list) else [value]
    for one in values:
        if not isinstance(one, dict) or "path" not in one:
            continue
        path = one["path"]
        if not isinstance(block, gr.File) or not isinstance(path, str):
            raise _refused(f"{block.label or 'This value'} is not a file.")
        if "://" in path:
            raise _refused("The picture must be uploaded; an address is not fetched.")
        uploads = Path(gr.utils.get_upload_folder()).resolve()
        if not Path(path).resolve().is_relative_to(uploads):
            raise _refused("The picture must be uploaded; no other file is read.")


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

        def leave(request: gr.Request) -> None:
            visitor = studio.visitors.of(request)
            studio.engine.stop_user(visitor.id, visitor.session)

        connect(
            studio,
            blocks.load,
            opened,
            None,
            [generating.pictures, for_teacher],
            page=generate.PAGE,
            api_visibility="private",
        )
        blocks.unload(leave)
        wake = gr.Button("Wake", elem_id="wake", elem_classes="listener")  # app.js says what for
        wake.click(lambda: None, show_progress="hidden", api_visibility="private")
    for block in blocks.blocks.values():
        _take_values_as_they_come(block)
    # Past the queue there is no way in: /run would skip it. Nobody waits in it: the bounds are
    # those of `Visitors` and of the engine.
    return blocks.queue(max_size=None, api_open=False, default_concurrency_limit=None)


def opened(studio: Studio, request: gr.Request):
    """What a visitor finds on opening the app: the latest pictures, and the Teacher's tab."""
    visitor = studio.visitors.of(request)
    return generate.latest(studio, visitor.id), gr.Tab(visible=visitor.is_teacher)


def _take_values_as_they_come(block) -> None:
    """`limits` checks all values, with a better message than that of the component."""
    if isinstance(block, gr.File):
        block.preprocess = lambda sent: sent.path if sent else None
    elif isinstance(block, gr.components.Component) and not isinstance(block, gr.State):
        block.preprocess = lambda sent: sent


def theme() -> gr.themes.Base:
    """Calm colors; the fonts are those of the computer that shows the page."""
    fonts = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    return gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.stone,
        font=fonts,
        font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
        radius_size=gr.themes.sizes.radius_md,
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_800",
        button_primary_text_color="white",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_label_text_color="*neutral_700",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        # 3 to 1 against the page, as WCAG 2.2 asks for the border of a field (1.4.11).
        input_border_width="1px",
        input_border_width_dark="1px",
        input_border_color="*neutral_500",
        input_border_color_dark="*neutral_400",
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_400",
        checkbox_border_color_selected="*primary_700",
        checkbox_border_color_selected_dark="*primary_300",
        checkbox_background_color_selected="*primary_700",
        checkbox_background_color_selected_dark="*primary_700",
        input_placeholder_color="*neutral_600",
        input_placeholder_color_dark="*neutral_300",
    )


def build_app(studio: Studio, password: str | None = None, names=tuple) -> fastapi.FastAPI:
    """The pages and the pictures as one web application, behind the guard and the password."""
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(AccessControl, visitors=studio.visitors, password=password)
    app.add_middleware(Guard, max_bytes=_most_bytes, names=names)
    _add_picture_routes(app, studio)
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


def _add_picture_routes(app: fastapi.FastAPI, studio: Studio) -> None:
    """The files of pictures: gradio would copy each for every page that shows it."""

    def visitor(request: fastapi.Request):
        token = studio.visitors.token_in(request.headers)
        return token, studio.visitors.session(token)

    @app.get("/pictures/{id}.png")
    def picture(id: str, download: str | None = None) -> Response:
        made = studio.album.get(id)  # whoever knows the id has been shown the picture
        return _png(made.path if made else None, made.path.name if made else "", download)

    @app.get("/class/{id}.png")
    def class_picture(request: fastapi.Request, id: str, download: str | None = None) -> Response:
        found = studio.feedback.find(id)
        if found is None and (known := visitor(request)[1]) and known.is_teacher:
            found = studio.feedback.find(id, hidden=True)
        return _png(found.path if found else None, f"{id}.png", download)

    @app.get("/album.zip")
    def whole_album(request: fastapi.Request) -> Response:
        token, known = visitor(request)
        if not known or not studio.album.of(token):
            return JSONResponse({"detail": "Your album is empty."}, 404)
        path = studio.album.zip(token)
        return FileResponse(path, filename="stickers.zip", background=BackgroundTask(path.unlink))


def _png(path: Path | None, name: str, download: str | None) -> Response:
    try:
        content = path.read_bytes() if path else None
    except OSError:  # deleted meanwhile
        content = None
    if content is None:
        return JSONResponse({"detail": "This picture is not here any more."}, 404)
    headers = {"cache-control": "private, max-age=3600", "x-content-type-options": "nosniff"}
    if download is not None:
        plain = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)
        headers["content-disposition"] = f'attachment; filename="{plain}"'
    return Response(content, media_type="image/png", headers=headers)


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


def serve(studio: Studio, **options) -> None:
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
