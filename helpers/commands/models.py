"""`python -m helpers models` lists the models that `load_pipeline` knows by name."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(arguments: argparse.Namespace) -> None:
    print(models_table())


def models_table() -> str:
    """The catalogue as text, one paragraph a model."""
    from ..models import MODELS

    paragraphs = []
    for name, model in MODELS.items():
        origin = "comes with the course" if model.is_embedded else f"hub: {model.source}"
        paragraphs.append(f"{name}\n    {model.about}\n    {origin}; licence: {model.licence}")
    return "\n".join(paragraphs)
