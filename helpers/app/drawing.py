"""Drawing for a page: what an engine's job becomes in the visitor's album."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from helpers.app.album import Made
from helpers.app.answers import in_thread
from helpers.app.queue import JobProgress
from helpers.app.studio import Studio
from helpers.app.visitors import Visitor
from helpers.sampling.trajectory import Cell


async def drawn(
    studio: Studio, visitor: Visitor, model: str, cells: list[Cell]
) -> AsyncIterator[tuple[JobProgress, dict[int, Made], bool]]:
    """Line up for pictures; tell of the progress, of what is in the album, and if that is new.

    To stop listening stops the drawing.
    """
    job = studio.engine.submit(visitor.id, model, cells, visitor.session, visitor.address)
    version = studio.engine.versions[model]
    made: dict[int, Made] = {}
    async with aclosing(studio.engine.follow(job)) as followed:
        async for progress in followed:
            ready = [i for i, picture in enumerate(progress.pictures) if picture.state == "done"]
            new = [i for i in ready if i not in made]
            for i in new:
                picture = progress.pictures[i]
                made[i] = await in_thread(
                    studio.album.keep, visitor.id, picture.image, picture.cell, model, version
                )
            yield progress, made, bool(new)
