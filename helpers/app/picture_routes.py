"""The files of pictures, by address: gradio would copy each for every page that shows it."""

import re
from pathlib import Path

import fastapi
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.background import BackgroundTask

from helpers.app.studio import Studio


class PictureRoutes:
    """Answers the requests for pictures of visitors' albums and of the class."""

    def __init__(self, studio: Studio):
        self.studio = studio

    def add_to(self, app: fastapi.FastAPI) -> None:
        app.get("/pictures/{id}.png")(self.picture)
        app.get("/class/{id}.png")(self.class_picture)
        app.get("/album.zip")(self.whole_album)

    def picture(self, id: str, download: str | None = None) -> Response:
        """A picture of an album: whoever knows its id has been shown it."""
        found = self.studio.album.get(id)
        return _png(found.path if found else None, found.path.name if found else "", download)

    def class_picture(
        self, request: fastapi.Request, id: str, download: str | None = None
    ) -> Response:
        """A picture that the class may see, and for the teacher one that was hidden."""
        found = self.studio.feedback.find(id)
        if found is None:
            visitors = self.studio.visitors
            known = visitors.session(visitors.token_in(request.headers))
            if known and known.is_teacher:
                found = self.studio.feedback.find(id, hidden=True)
        return _png(found.path if found else None, f"{id}.png", download)

    def whole_album(self, request: fastapi.Request) -> Response:
        """All of the visitor's own pictures."""
        token = self.studio.visitors.token_in(request.headers)
        if not self.studio.visitors.session(token) or not self.studio.album.of(token):
            return JSONResponse({"detail": "Your album is empty."}, 404)
        path = self.studio.album.zip(token)
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
