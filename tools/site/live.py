"""The script and the style of the parts of a page that live, on the pages that have any.

Such a part is an element with `data-live`: it holds what is shown where scripts are off, and
`browser/src/live.js` brings it to life.
"""

from sphinx.application import Sphinx

MARK = "data-live="
SOURCES = "browser/src"


def add_script(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Name the script and the style in the head of a page; called by sphinx for each."""
    if MARK not in context.get("body", ""):
        return
    address = context["pathto"]
    context["metatags"] += (
        f'<link rel="stylesheet" href="{address(f"{SOURCES}/live.css", resource=True)}">'
        f'<script defer src="{address(f"{SOURCES}/start.js", resource=True)}"></script>'
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by sphinx."""
    app.connect("html-page-context", add_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
