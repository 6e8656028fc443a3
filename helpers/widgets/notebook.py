"""How a widget is shown in a notebook."""

# IPython is imported where it is used: who imports this need not wait for it.

WIDGET = "application/vnd.jupyter.widget-view+json"
"""The format in which a notebook page is told to show a widget."""


def show_widget(widget, told: str) -> None:
    """Show a widget; `told` stands in its place where there are none, as in a saved notebook."""
    from IPython.display import display

    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    display({"text/plain": told, WIDGET: view}, raw=True)
