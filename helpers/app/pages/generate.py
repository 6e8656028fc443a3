"""The Generate page: pictures from a prompt, watched as they form, and made again from a file."""

import asyncio
import random
from contextlib import aclosing

import gradio as gr

from helpers.app import limits, markup
from helpers.app.limits import LIMITS
from helpers.app.pages.controls import (
    OWN_SCHEDULER,
    scheduler_dropdown,
    scheduler_setting,
    settings_controls,
)
from helpers.app.pages.gallery import entries
from helpers.app.queue import Job, JobProgress
from helpers.app.studio import Studio, told_to_the_visitor, visitor


def build(studio: Studio) -> None:
    """Lay out the page inside the current tab and connect it."""
    with gr.Row(elem_classes="page"):
        with gr.Column(scale=2, min_width=300):
            controls = settings_controls(studio, "generate")
            scheduler = scheduler_dropdown()
            use_random = gr.Checkbox(
                True, label="Random seed", info="Draw a new seed each time", elem_id="random"
            )
            images = gr.Slider(
                *LIMITS.images, value=4, step=1, label="Number of images", elem_id="images"
            )
            with gr.Row(elem_classes="actions"):
                run = gr.Button("Draw", variant="primary", elem_id="draw")
                stop = gr.Button("Stop", variant="stop", elem_id="stop")
            with gr.Accordion("Make a picture again", open=False):
                upload = gr.File(
                    label="A PNG that this app made; its settings are put into the controls",
                    file_types=[".png"],
                    elem_id="again",
                )
                again_note = gr.HTML()
        with gr.Column(scale=3, min_width=300):
            status = gr.HTML(markup.note("Press Draw."), elem_id="status")
            gallery = gr.Gallery(
                label="Your pictures",
                format="png",
                columns=3,
                object_fit="contain",
                height="auto",
                buttons=["download", "fullscreen"],
                elem_id="pictures",
            )
            gr.HTML(markup.note("Each file that you download has its settings inside."))

    async def generate(
        prompt, negative_prompt, model, images, guidance_scale, steps, seed, use_random, scheduler,
        request: gr.Request,
    ):  # fmt: skip
        with told_to_the_visitor():
            if use_random:
                seed = random.randint(*LIMITS.seed)
            cells = limits.pictures(
                prompt, negative_prompt, images, guidance_scale, steps, seed,
                scheduler_setting(scheduler),
            )  # fmt: skip
            job = studio.engine.submit(visitor(request), model, cells)
        made = {}
        async with aclosing(studio.engine.follow(job)) as followed:
            async for progress in followed:
                new = await asyncio.to_thread(keep_new, studio, job, progress, made)
                shown = entries([made[i] for i in sorted(made)])
                yield markup.status(progress), shown if new else gr.skip(), seed

    inputs = [
        controls.prompt, controls.negative_prompt, controls.model, images,
        controls.guidance_scale, controls.num_inference_steps, controls.seed, use_random, scheduler,
    ]  # fmt: skip
    outputs = [status, gallery, controls.seed]
    gr.on(
        [run.click, controls.prompt.submit],
        generate,
        inputs,
        outputs,
        api_name="generate",
        concurrency_limit=None,
        show_progress="hidden",
        trigger_mode="once",
    )

    def stop_all(request: gr.Request) -> None:
        studio.engine.stop_user(visitor(request))

    stop.click(stop_all, api_name="stop", queue=False, show_progress="hidden")

    def again(path):
        """The settings inside a file, checked like any others, and a note."""
        if not path:
            return [gr.skip()] * len(inputs) + [""]
        with told_to_the_visitor():
            settings = limits.uploaded_settings(path)
            [cell] = limits.pictures(
                settings.get("prompt"), settings.get("negative_prompt") or "", 1,
                settings.get("guidance_scale"), settings.get("num_inference_steps"),
                settings.get("seed"), settings.get("scheduler"),
            )  # fmt: skip
            model = limits.choice("The picture's model", settings.get("model"), studio.models)
            told = "The controls are set: press Draw to make the picture again."
            if settings.get("model_version") != studio.engine.versions[model]:
                told += " It was made by other weights of this model, so it will look different."
        return [
            cell.prompt, cell.negative_prompt or "", model, 1, cell.guidance_scale,
            cell.num_inference_steps, cell.seed, False, cell.scheduler or OWN_SCHEDULER,
            markup.note(told),
        ]  # fmt: skip

    upload.change(again, upload, [*inputs, again_note], api_name="settings_of_file")


def keep_new(studio: Studio, job: Job, progress: JobProgress, made: dict) -> bool:
    """Put the pictures that became ready into the album; whether there were any."""
    new = [i for i, p in enumerate(progress.pictures) if p.state == "done" and i not in made]
    for i in new:
        picture = progress.pictures[i]
        version = studio.engine.versions[job.model]
        made[i] = studio.album.keep(job.user, picture.image, picture.cell, job.model, version)
    return bool(new)
