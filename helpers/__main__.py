"""`python -m helpers models` lists the models that `load_pipeline` knows by name."""

import argparse
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line; `None` takes it from the shell."""
    parser = argparse.ArgumentParser(prog="python -m helpers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("models", help="list the models that load_pipeline knows by name")
    parser.parse_args(arguments)
    print(models_table())


def models_table() -> str:
    """The catalogue as text, one paragraph a model."""
    from .models import MODELS

    paragraphs = []
    for name, model in MODELS.items():
        origin = "comes with the course" if model.is_embedded else f"hub: {model.source}"
        paragraphs.append(f"{name}\n    {model.about}\n    {origin}; licence: {model.licence}")
    return "\n".join(paragraphs)


if __name__ == "__main__":
    main()
