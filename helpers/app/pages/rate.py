"""The Rate page: a word on a picture, with consent, and what the class made and voted for."""

import html
from dataclasses import dataclass

import gradio as gr

from helpers.app import limits, markup
from helpers.app.answers import connect
from helpers.app.limits import LIMITS, Invalid
from helpers.app.markup import PictureView
from helpers.app.studio import Studio
from helpers.app.visitors import Visitor
from helpers.feedback.rating import CONSENTS, MAX_TAGS, Rating

PAGE = "rate"
MINE, CLASS = "My pictures", "The class's pictures"
UP, DOWN = "I like it", "I do not like it"
TAGS = (
    "the subject is right",
    "the colors are right",
    "the style is right",
    "well drawn",
    "badly drawn",
    "something is missing",
)
SHOWN = 60  # pictures of the class, the newest
CONSENT_CHOICES = [(f"{about[0].upper()}{about[1:]}", name) for name, about in CONSENTS.items()]
NO_CONSENT = "Please say what may be done with the picture and your rating: choose one."
NOTHING = {
    MINE: "You have no pictures yet: draw some on the first page, and rate them here.",
    CLASS: "The class has shared no pictures yet. Rate one of yours, and it appears here.",
}


@dataclass
class Rate:
    """What other pages change on this one."""

    which: gr.Radio
    chosen: gr.Textbox
    shown: gr.HTML
    pictures: gr.HTML

    @property
    def views(self) -> list[gr.components.Component]:
        """What `views_of` fills."""
        return [self.chosen, self.shown, self.pictures]


def build(studio: Studio, tab: gr.Tab) -> Rate:
    """Lay out the page inside the current tab and connect it."""
    with gr.Row(elem_classes="page"):
        with gr.Column(scale=3, min_width=300, elem_classes="results"):
            page = _choice(studio, tab)
        with gr.Column(scale=2, min_width=300, elem_classes="controls"):
            _rating(studio, page)
            _deletion(studio)
    listed = gr.JSON(visible=False)
    connect(studio, [], list_pictures, page.which, [listed], page=PAGE, api_name="pictures")
    return page


def _choice(studio: Studio, tab: gr.Tab) -> Rate:
    """The picture that is rated, large, and all that could be, connected."""
    chosen = gr.Textbox(visible=False)
    gr.HTML(markup.heading("The picture"))
    shown = gr.HTML(elem_id="rate-shown")
    which = gr.Radio([MINE, CLASS], value=MINE, label="Which pictures", elem_id="rate-which")
    pictures = gr.HTML(elem_id="rate-pictures", js_on_load=markup.CHOOSING)
    page = Rate(which, chosen, shown, pictures)
    private = {"page": PAGE, "api_visibility": "private"}
    connect(
        studio,
        [tab.select, which.input],
        fill,
        [which, chosen],
        page.views,
        trigger_mode="always_last",  # a choice that is made while the page is filled counts
        **private,
    )
    connect(studio, pictures.click, choose, which, page.views, **private)
    return page


def _rating(studio: Studio, page: Rate) -> None:
    """What is said of the picture, connected."""
    gr.HTML(markup.heading("Your rating"))
    vote = gr.Radio([UP, DOWN], label="Your vote", elem_id="rate-vote")
    tags = gr.CheckboxGroup(list(TAGS), label="What is true of it?", elem_id="rate-tags")
    comment = gr.Textbox(
        label="Comment",
        info="Please write nothing that identifies a person",
        lines=2,
        max_length=LIMITS.comment,
        elem_id="rate-comment",
    )
    consent = gr.Radio(
        CONSENT_CHOICES,
        label="What may be done with the picture and your rating?",
        info="Nothing is stored without your consent, and never who you are. For "
        "somebody else's picture, what its maker allowed is the limit",
        elem_id="rate-consent",
    )
    with gr.Row(elem_classes="actions after-all"):
        send = gr.Button("Send the rating", variant="primary", elem_id="rate")
    told = gr.HTML(elem_id="rate-note", elem_classes="live")
    connect(
        studio,
        send.click,
        rate,
        [page.which, page.chosen, vote, tags, comment, consent],
        [told, vote, tags, comment, *page.views],
        page=PAGE,
        note=told,
        api_name="rate",
    )


def _deletion(studio: Studio) -> None:
    with gr.Accordion("Delete a rating", open=False):
        receipt = gr.Textbox(label="Its receipt", max_length=40, elem_id="rate-receipt")
        delete = gr.Button("Delete it", elem_id="delete")
        note = gr.HTML(elem_id="delete-note", elem_classes="live")
    connect(studio, delete.click, forget, receipt, [note], page=PAGE, note=note, api_name="delete")


def list_pictures(studio: Studio, which: object, request: gr.Request) -> list[dict]:
    """What only programs ask for: the pictures that could be rated."""
    limits.choice("which", which, (MINE, CLASS))
    found = pictures_of(studio, studio.visitors.of(request).id, which)
    return [{"id": one.id, "url": one.url, "caption": one.caption} for one in found]


def pictures_of(studio: Studio, user: str, which: str) -> list[PictureView]:
    """What can be rated, the newest first."""
    if which == MINE:
        return [markup.album_view(m) for m in studio.album.of(user) if m.kind == "drawn"]
    there = [picture for picture in studio.feedback.pictures() if picture.path.is_file()]
    return [markup.class_view(picture) for picture in there[: -SHOWN - 1 : -1]]


def views_of(studio: Studio, visitor: Visitor, which: str, id: object) -> list[object]:
    """The id of the picture that is rated, that picture large, and all that could be rated.

    Without an id, or when that picture is gone, it is the first that has no vote of this visitor.
    """
    found = pictures_of(studio, visitor.id, which)
    rated = _rated(studio, visitor, which, found)
    chosen = next((one for one in found if one.id == id), None)
    chosen = chosen or next((one for one in found if one.id not in rated), None)
    chosen = chosen or next(iter(found), None)
    empty = markup.empty(NOTHING[which])
    return [
        chosen.id if chosen else None,
        markup.large(chosen, empty),
        markup.thumbnails(found, chosen.id if chosen else None),
    ]


def _rated(studio: Studio, visitor: Visitor, which: str, found: list[PictureView]) -> set[str]:
    """The ids of those pictures that this visitor has rated."""
    if which == CLASS:
        return studio.feedback.rated_by(visitor.voter, [one.id for one in found])
    return {made.id for made in studio.album.of(visitor.id) if made.is_rated}


def fill(studio: Studio, which: object, chosen: object, request: gr.Request) -> list[object]:
    """When the page is opened, or the other pictures are wanted."""
    limits.choice("which", which, (MINE, CLASS))
    return views_of(studio, studio.visitors.of(request), which, chosen)


def choose(studio: Studio, which: object, event: gr.EventData, request: gr.Request) -> list[object]:
    """A click on one of the small pictures."""
    limits.choice("which", which, (MINE, CLASS))
    visitor, id = studio.visitors.of(request), markup.clicked(event)[1]
    if id not in [one.id for one in pictures_of(studio, visitor.id, which)]:
        raise LookupError("This picture is not here any more: it was deleted or hidden.")
    return views_of(studio, visitor, which, id)


def rate(
    studio: Studio,
    which: object,
    picture: object,
    vote: object,
    tags: object,
    comment: object,
    consent: object,
    request: gr.Request,
) -> list[object]:
    """Store a rating and go on to the next picture."""
    limits.choice("which", which, (MINE, CLASS))
    limits.choice("vote", vote, (UP, DOWN))
    if consent not in CONSENTS:
        raise Invalid(NO_CONSENT, "consent")
    if not isinstance(tags, list) or len(tags) > MAX_TAGS:
        raise Invalid("Tags must be some of those on the page.", "tags")
    said = {
        "vote": 1 if vote == UP else -1,
        "tags": [limits.choice("tags", tag, TAGS) for tag in tags],
        "comment": limits.text("comment", comment, LIMITS.comment),
        "consent": consent,
    }
    visitor = studio.visitors.of(request)
    store = _rate_own if which == MINE else _rate_of_class
    rating = store(studio, visitor, picture, said)
    return [_thanks(rating), None, [], "", *views_of(studio, visitor, which, None)]


def _rate_own(studio: Studio, visitor: Visitor, id: object, said: dict) -> Rating:
    made = studio.album.find(visitor.id, id)
    rating = studio.feedback.add(
        made.image(),
        made.settings,
        model=made.model,
        model_version=made.model_version,
        voter=visitor.voter,
        **said,
    )
    made.is_rated = True
    return rating


def _rate_of_class(studio: Studio, visitor: Visitor, id: object, said: dict) -> Rating:
    if not isinstance(id, str):
        raise LookupError("There is no picture to rate: choose one.")
    return studio.feedback.rate(id, voter=visitor.voter, **said)


def forget(studio: Studio, receipt: object) -> str:
    """Delete a rating; who has its receipt gave it."""
    deleted = studio.feedback.delete(limits.text("receipt", receipt, 40))
    return markup.note("It is deleted." if deleted else "There is no rating of this receipt.")


def _thanks(rating: Rating) -> str:
    """The receipt is an element of its own, so that it can be selected by a click."""
    told = "It comes instead of your earlier one." if rating.replaced else "It is stored."
    return (
        f'<p class="note" role="status">Thank you. {told} With this receipt you can have it '
        f'deleted: <code class="receipt">{html.escape(rating.id)}</code></p>'
    )
