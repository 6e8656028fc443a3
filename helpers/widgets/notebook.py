"""How a widget is shown in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipywidgets import Widget

# IPython is imported where it is used: who imports this need not wait for it.

WIDGET = "application/vnd.jupyter.widget-view+json"
"""The format in which a notebook page is told to show a widget."""


def show_widget(widget: Widget, told: str) -> None:
    """Show a widget; `told` takes its place where there is no kernel."""
    from IPython.display import display

    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    display({"text/plain": told, WIDGET: view}, raw=True)
