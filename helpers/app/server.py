"""The four pages together, and the server that shows them."""

from pathlib import Path

import gradio as gr

from helpers.app.limits import LIMITS
from helpers.app.pages import explore, faces, generate, rate
from helpers.app.studio import Studio

TITLE = "Sticker studio"
STYLE = Path(__file__).with_name("theme.css")
KEPT = 24 * 3600  # seconds that gradio keeps the files it serves
MAX_EVENTS = 400  # requests that wait at gradio's door, before the engine's own line


def build(studio: Studio) -> gr.Blocks:
    """All pages, connected, not yet served."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, KEPT)) as blocks:
        gr.HTML(
            f"<header><h1>{TITLE}</h1><p>Draw with the course's own models. All that you do here "
            "stays on this computer.</p></header>"
        )
        with gr.Tabs():
            with gr.Tab("Generate", id="generate"):
                generate.build(studio)
            with gr.Tab("Explore", id="explore"):
                explore.build(studio)
            with gr.Tab("Faces", id="faces") as tab:
                faces.build(studio, tab)
            with gr.Tab("Rate", id="rate") as tab:
                rate.build(studio, tab)

        def leave(request: gr.Request) -> None:
            if request.session_hash:
                studio.engine.stop_user(request.session_hash)

        blocks.unload(leave)
    # Past the queue there is no way in: /run would skip it.
    return blocks.queue(max_size=MAX_EVENTS, api_open=False, default_concurrency_limit=20)


def theme() -> gr.themes.Base:
    """Calm colours; the fonts are those of the computer that shows the page."""
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
        button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_label_text_color="*neutral_700",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
    )


def serve(
    studio: Studio,
    host: str | None = None,
    port: int | None = None,
    share: bool = False,
    password: str | None = None,
    block: bool = True,
) -> gr.Blocks:
    """Show the app; with `block` until it is interrupted.

    Args:
        host: The address to listen on. None is this computer alone, "0.0.0.0" its network.
        port: None takes the first free one from 7860.
        share: Make a public address through Gradio's servers, for up to a week.
        password: Ask for it, with the name "class".

    Raises OSError if the port is taken.
    """
    blocks = build(studio)
    blocks.launch(
        server_name=host or "127.0.0.1",
        server_port=port,
        share=share,
        auth=("class", password) if password else None,
        auth_message="The name is class." if password else None,
        theme=theme(),
        css_paths=STYLE,
        max_file_size=LIMITS.upload,
        allowed_paths=[],
        show_error=False,
        footer_links=[],
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        prevent_thread_lock=True,
        quiet=True,
    )
    if block:
        print(about(blocks.local_url, host), flush=True)
        try:
            blocks.block_thread()
        finally:
            blocks.close(verbose=False)
    return blocks


def about(url: str, host: str | None) -> str:
    """What a person who started the app wants to know."""
    lines = [f"The app runs at {url} (Ctrl-C stops it)."]
    if host not in (None, "127.0.0.1", "localhost"):
        port = url.rstrip("/").rpartition(":")[2]
        lines.append(f"Others open http://THIS-COMPUTER:{port}, with this computer's address.")
    return "\n".join(lines)
