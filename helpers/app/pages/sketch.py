"""While a visitor types: one picture by a model of few steps, to look at and not to keep."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import gradio as gr

from helpers.app import limits, markup
from helpers.app.answers import connect
from helpers.app.pages.controls import (
    NO_LORA,
    OWN_SCHEDULER,
    Controls,
    asked_for,
    starting_values,
)
from helpers.app.studio import Studio

FEW_STEPS = 4
"""A model that needs more is too slow to draw between two words."""

SEED = str(limits.LIMITS.seed[0])
"""Of a sketch, where the visitor names none: with the same noise only the words change it."""


def fast_model(studio: Studio) -> str | None:
    """The first model on offer that draws in few steps."""
    return next((name for name in studio.models if starting_values(name)[1] <= FEW_STEPS), None)


def sketch_switch(studio: Studio, page: str) -> gr.Checkbox:
    """Whether to draw while the visitor types; hidden where no model on offer is fast enough."""
    model = fast_model(studio)
    return gr.Checkbox(
        False,
        label="Draw while I type",
        info=f"A sketch by {model}. It is not kept; Draw makes pictures that are." if model else "",
        visible=model is not None,
        elem_id=f"{page}-sketching",
    )


def connect_sketch(
    studio: Studio, page: str, is_on: gr.Checkbox, controls: Controls, shown: gr.HTML
) -> None:
    """Draw at each change, a pasted one too.

    While one sketch is drawn, only the newest of the changes after it waits.
    """
    if fast_model(studio) is None:
        return
    connect(
        studio,
        [is_on.change, controls.prompt.change, controls.style.change, controls.seed.change],
        sketch,
        [is_on, *controls.all],
        [shown],
        page=f"{page}-sketch",  # no field has such an id: to mark one would move the cursor
        note=shown,
        trigger_mode="always_last",
        api_visibility="private",
    )


async def sketch(
    studio: Studio, is_on: object, values: Controls, request: gr.Request
) -> AsyncIterator[object]:
    """The sketch of what is typed so far; nothing when it is switched off or nothing is typed."""
    model = fast_model(studio)
    if not (is_on is True and limits.text("prompt", values.prompt)):
        yield ""
        return
    guidance_scale, num_inference_steps = starting_values(model)
    name, [cell] = asked_for(
        studio,
        replace(
            values,
            negative_prompt="",
            model=model,
            lora=NO_LORA,
            guidance_scale=guidance_scale,
            num_inference_steps=num_inference_steps,
            seed=values.seed or SEED,
            scheduler=OWN_SCHEDULER,
        ),
    )
    visitor = studio.visitors.of(request)
    job = studio.engine.submit(visitor.id, name, [cell], visitor.session, visitor.address)
    async with aclosing(studio.engine.follow(job)) as followed:
        async for progress in followed:
            if not progress.finished:  # something is told each time, so that gradio can close this
                waits = progress.paused or progress.place > 1
                yield markup.note(markup.sentence(progress)) if waits else gr.skip()
    [picture] = progress.pictures
    if picture.image:
        yield markup.sketch(picture, model)
    else:
        yield markup.note(picture.error or "Stopped.")
