"""Being in a notebook: whether a kernel runs this code, and how a widget is shown there."""

# IPython is imported where it is used: who imports this need not wait for it.
import sys

WIDGET = "application/vnd.jupyter.widget-view+json"
"""The format in which a notebook page is told to show a widget."""


def in_notebook() -> bool:
    """Whether a kernel runs this code, so that what it shows reaches a reader."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


def show_widget(widget, told: str) -> None:
    """Show a widget; `told` stands in its place where there are none, as in a saved notebook."""
    from IPython.display import display

    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    display({"text/plain": told, WIDGET: view}, raw=True)
