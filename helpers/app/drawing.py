"""Drawing for a page: what an engine's job becomes in the visitor's album."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import gradio as gr

from helpers.app import markup
from helpers.app.album import AlbumPicture
from helpers.app.answers import in_thread
from helpers.app.queue import JobProgress
from helpers.app.studio import Studio
from helpers.app.visitors import Visitor
from helpers.sampling.beginning import Beginning
from helpers.sampling.cell import Cell


async def drawn(
    studio: Studio,
    visitor: Visitor,
    model: str,
    cells: list[Cell],
    beginning: Beginning | None = None,
) -> AsyncIterator[tuple[JobProgress, dict[int, AlbumPicture], bool]]:
    """Line up for pictures; tell of the progress, of what is in the album, and if that is new.

    To stop listening stops the drawing.
    """
    job = studio.engine.submit(
        visitor.id, model, cells, visitor.session, visitor.address, beginning
    )
    version = studio.engine.versions[model]
    made: dict[int, AlbumPicture] = {}
    async with aclosing(studio.engine.follow(job)) as followed:
        async for progress in followed:
            ready = [i for i, picture in enumerate(progress.pictures) if picture.state == "done"]
            new = [i for i in ready if i not in made]
            for i in new:
                picture = progress.pictures[i]
                made[i] = await in_thread(
                    studio.album.keep,
                    visitor.id,
                    picture.image,
                    picture.cell,
                    model,
                    version,
                    beginning.strength if beginning else None,
                )
            yield progress, made, bool(new)


async def drawn_as_cards(
    studio: Studio,
    visitor: Visitor,
    model: str,
    cells: list[Cell],
    beginning: Beginning | None = None,
) -> AsyncIterator[tuple[str, object, object]]:
    """What two pages show while pictures are drawn: the progress, the pictures, and their list.

    What did not change is skipped.
    """
    async with aclosing(drawn(studio, visitor, model, cells, beginning)) as progresses:
        async for progress, made, is_new in progresses:
            found = [made[i] for i in sorted(made)]
            shown = markup.cards([markup.album_view(one) for one in found])
            files = [{"id": m.id, "url": m.url, "settings": m.settings} for m in found]
            # A program gets what came last, so that must be whole.
            is_told = is_new or progress.finished
            yield (
                markup.status(progress),
                shown if is_told or not made else gr.skip(),
                files if is_told else gr.skip(),
            )
