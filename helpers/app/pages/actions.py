"""The buttons of a picture that lead to another page, wherever the picture is shown."""

import gradio as gr

from helpers.app import markup
from helpers.app.answers import connect
from helpers.app.pages import chooser, rate
from helpers.app.pages.chooser import Chooser
from helpers.app.pages.generate import Generate
from helpers.app.pages.rate import Rate
from helpers.app.studio import Studio


def build(
    studio: Studio,
    tabs: gr.Tabs,
    generating: Generate,
    changing: Chooser,
    improving: Chooser,
    rating: Rate,
) -> None:
    """Connect the actions of all pictures, present and to come."""
    listener = gr.HTML(js_on_load=markup.LEADING, elem_classes="listener")
    outputs = [
        tabs,
        generating.controls.prompt,
        generating.controls.seed,
        *changing.views,
        *improving.views,
        rating.which,
        *rating.views,
    ]
    connect(studio, listener.click, act, None, outputs, page="generate", api_visibility="private")


def act(studio: Studio, event: gr.EventData, request: gr.Request) -> list[object]:
    """Do what a picture's button says: open a page with this picture, or take over its seed."""
    action, id = markup.clicked(event)
    prompt, seed, page = gr.skip(), gr.skip(), "generate"
    changing = improving = [gr.skip()] * 3
    rating = [gr.skip()] * 4
    visitor = studio.visitors.of(request)
    user = visitor.id
    if action == "prompt":
        prompt = id
    elif action == "seed":
        seed = str(studio.album.find(user, id).settings["seed"])
    elif action == "improve":
        page = "faces"
        improving = chooser.views_of(studio, user, studio.album.find(user, id).id)
    elif action == "change":
        page = "change"
        changing = chooser.views_of(studio, user, studio.album.find(user, id).id)
    elif action == "rate":
        page = "rate"
        made = studio.album.find(user, id)
        rating = [rate.MINE, *rate.views_of(studio, visitor, rate.MINE, made.id)]
    return [gr.Tabs(selected=page), prompt, seed, *changing, *improving, *rating]
