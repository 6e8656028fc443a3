"""The Rate page: a word on a picture, with consent, and what the class made and voted for."""

import html
from contextlib import suppress

import gradio as gr
from PIL import Image

from helpers.app import limits, markup
from helpers.app.limits import LIMITS
from helpers.app.pages.gallery import entries, number_field, picture_gallery
from helpers.app.studio import Studio, told_to_the_visitor, visitor
from helpers.feedback.store import CONSENTS, MAX_TAGS, RatedPicture, Rating

MINE, CLASS = "My pictures", "The class's pictures"
UP, DOWN = "I like it", "I do not like it"
TAGS = (
    "the subject is right",
    "the colours are right",
    "the style is right",
    "well drawn",
    "badly drawn",
    "something is missing",
)
SHOWN = 60  # pictures of the class, the newest
CONSENT_CHOICES = [(f"{about[0].upper()}{about[1:]}", name) for name, about in CONSENTS.items()]


def build(studio: Studio, tab: gr.Tab) -> None:
    """Lay out the page inside the current tab and connect it."""
    shown = gr.State([])  # the class's pictures as this visitor sees them
    with gr.Row(elem_classes="page"):
        with gr.Column(scale=3, min_width=300):
            which = gr.Radio([MINE, CLASS], value=MINE, label="Which pictures", elem_id="which")
            gallery = picture_gallery("Pictures to rate", "rate-pictures")
        with gr.Column(scale=2, min_width=300):
            number = number_field()
            vote = gr.Radio([f"👍 {UP}", f"👎 {DOWN}"], label="Your vote", elem_id="vote")
            tags = gr.CheckboxGroup(list(TAGS), label="What is so about it", elem_id="tags")
            comment = gr.Textbox(
                label="Comment",
                info="Please write nothing that tells who anybody is",
                lines=2,
                max_length=LIMITS.comment,
                elem_id="comment",
            )
            consent = gr.Radio(
                CONSENT_CHOICES,
                label="What may be done with the picture and your rating?",
                info="Nothing is stored without your consent, and never who you are",
                elem_id="consent",
            )
            send = gr.Button("Send the rating", variant="primary", elem_id="rate")
            told = gr.HTML(elem_id="rate-note")
            with gr.Accordion("Delete a rating", open=False):
                receipt = gr.Textbox(label="Its receipt", max_length=40, elem_id="receipt")
                delete = gr.Button("Delete it", elem_id="delete")

    def fill(which, request: gr.Request):
        with told_to_the_visitor():
            limits.choice("Which pictures", which, (MINE, CLASS))
        if which == MINE:
            mine = studio.album.of(visitor(request))
            return entries(mine), mine[0].number if mine else None, []
        loaded = _newest_of_class(studio)
        pictures = [picture for picture, _ in loaded]
        return _class_entries(loaded), 1 if pictures else None, pictures

    def choose(which, event: gr.SelectData, request: gr.Request):
        mine = studio.album.of(visitor(request))
        if which == MINE:
            return mine[event.index].number if event.index < len(mine) else gr.skip()
        return event.index + 1

    def rate(which, number, vote, tags, comment, consent, shown, request: gr.Request):
        with told_to_the_visitor():
            limits.choice("Which pictures", which, (MINE, CLASS))
            limits.choice("Your vote", vote, (f"👍 {UP}", f"👎 {DOWN}"))
            if consent not in CONSENTS:
                raise ValueError("Please say what may be done with the rating: choose one.")
            if not isinstance(tags, list) or len(tags) > MAX_TAGS:
                raise ValueError("Tags must be some of those on the page.")
            said = {
                "vote": 1 if vote.endswith(UP) else -1,
                "tags": [limits.choice("Each tag", tag, TAGS) for tag in tags],
                "comment": limits.text("The comment", comment, LIMITS.comment),
                "consent": consent,
            }
            if which == MINE:
                made = studio.album.find(visitor(request), number)
                image, about = made.image(), (made.settings, made.model, made.model_version)
            else:
                image, about = _class_picture(studio, shown, number)
            settings, model, version = about
            rating = studio.feedback.add(
                image, settings, model=model, model_version=version, **said
            )
        return _thanks(rating), ""

    def forget(receipt):
        with told_to_the_visitor():
            deleted = studio.feedback.delete(limits.text("The receipt", receipt, 40))
        return markup.note("It is deleted." if deleted else "There is no rating of this receipt.")

    filled = [gallery, number, shown]
    tab.select(fill, which, filled, api_visibility="private", show_progress="hidden")
    which.change(fill, which, filled, api_name="pictures", show_progress="hidden")
    gallery.select(choose, which, number, api_visibility="private", show_progress="hidden")
    send.click(
        rate,
        [which, number, vote, tags, comment, consent, shown],
        [told, comment],
        api_name="rate",
        concurrency_limit=20,
        show_progress="hidden",
    )
    delete.click(forget, receipt, told, api_name="delete", show_progress="hidden")


def _newest_of_class(studio: Studio) -> list[tuple[RatedPicture, Image.Image]]:
    """The class's pictures, the newest first, loaded: gradio may not read where they lie."""
    loaded = []
    for picture in reversed(studio.feedback.pictures()):
        with suppress(OSError):  # deleted meanwhile, or its file was damaged
            loaded.append((picture, studio.feedback.image(picture.ratings[0])))
        if len(loaded) == SHOWN:
            break
    return loaded


def _class_entries(
    loaded: list[tuple[RatedPicture, Image.Image]],
) -> list[tuple[Image.Image, str]]:
    """The class's pictures with what they were made from and how the votes stand."""
    return [
        (image, f"{number} · {p.ups} up, {p.downs} down · {p.ratings[0].prompt}")
        for number, (p, image) in enumerate(loaded, start=1)
    ]


def _class_picture(studio: Studio, shown: list, number: object) -> tuple[Image.Image, tuple]:
    """The picture that somebody rated before, and what made it."""
    if not isinstance(number, int) or not 1 <= number <= len(shown):
        raise LookupError("There is no picture of this number; choose one.")
    first: Rating = shown[number - 1].ratings[0]
    try:
        image = studio.feedback.image(first)
    except FileNotFoundError:
        raise LookupError("This picture was deleted meanwhile.") from None
    settings = {"prompt": first.prompt, "negative_prompt": first.negative_prompt}
    return image, (settings | first.settings, first.model, first.model_version)


def _thanks(rating: Rating) -> str:
    """The receipt is an element of its own, so that it can be selected by a click."""
    return (
        '<p class="note" role="status">Thank you, it is stored. With this receipt you can have it '
        f'deleted: <code class="receipt">{html.escape(rating.id)}</code></p>'
    )
