"""Gather the pages of the site into one folder that is laid out as the repository is."""

import ast
import json
import re
import shutil
from pathlib import Path

from helpers.widgets.notebook import WIDGET
from tools.site.landing import with_cards

PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CREDITS.md",
    "course/try-it.md",
    "course/reading/*.md",
    "helpers/weights/*/README.md",
    "lessons/*.ipynb",
    "solutions/*.ipynb",
    "training/README.md",
)
PICTURES = ("course/pictures/*.png", "course/pictures/*.svg")

# The first page is the README with cards, and the table of contents that sphinx needs.
CONTENTS = """
```{toctree}
:hidden:

course/try-it
```

```{toctree}
:hidden:
:caption: Lessons
:glob:

lessons/*
```

```{toctree}
:hidden:
:caption: Reading

course/reading/README
course/reading/how-diffusion-works
course/reading/latent-diffusion
course/reading/prompt-writing
course/reading/guidance
course/reading/distillation
course/reading/many-pictures
course/reading/models-and-licences
course/reading/limits
course/reading/getting-help
course/reading/going-further
course/reading/mathematics
course/reading/glossary
course/reading/instructor-guide
course/reading/class-materials
course/reading/common-mistakes
course/reading/measurements
course/reading/publishing
```

```{toctree}
:hidden:
:caption: Solutions
:glob:

solutions/*
```

```{toctree}
:hidden:
:caption: About
:glob:

helpers/weights/*/README
training/README
CONTRIBUTING
CREDITS
```
"""

LINK = re.compile(r"\]\(([^)#\s]+)")


def stage(root: Path, folder: Path) -> None:
    """Copy the pages, their pictures and the files that they link to into `folder`."""
    pages = [path for pattern in PAGES for path in sorted(root.glob(pattern))]
    for path in pages:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            text = notebook_page(text, path)
        elif path == root / "README.md":
            text = with_cards(text, root, folder) + CONTENTS
        name = Path("index.md") if path == root / "README.md" else path.relative_to(root)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    pictures = [path for pattern in PICTURES for path in root.glob(pattern)]
    for path in {*pictures, *linked_files(root, pages)} - set(pages):
        target = folder / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def linked_files(root: Path, pages: list[Path]) -> set[Path]:
    """The files of the repository that the pages link to."""
    found = set()
    for page in pages:
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            path = (page.parent / target).resolve()
            if path.is_file() and path.is_relative_to(root):
                found.add(path)
    return found


def notebook_page(text: str, path: Path) -> str:
    """A notebook as the site shows it: every picture with an alt text, no dead controls, and a link
    from the lesson to its solution and back."""
    notebook = json.loads(text)
    is_solution = path.parent.name == "solutions"
    other = "lessons" if is_solution else "solutions"
    words = "The lesson, with its blanks" if is_solution else "The solution, with every picture"
    heading = ""
    for number, cell in enumerate(notebook["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            if is_solution and number == 0:
                source = source.replace("\n", " (solution)\n", 1)
            if number == 0:
                source = f"{source}\n\n[{words}](../{other}/{path.name})"
                cell["source"] = source
            heading = (re.findall(r"^#+ (.+)$", source, re.MULTILINE) or [heading])[-1]
        else:
            show_statically(cell, heading)
    return json.dumps(notebook, ensure_ascii=False)


def show_statically(cell: dict, heading: str) -> None:
    """Leave out what needs a kernel, and describe the pictures of a code cell."""
    shown = [output for output in cell["outputs"] if WIDGET not in output.get("data", {})]
    if len(shown) < len(cell["outputs"]):
        note = "(Here are controls. They need a kernel: open the notebook in JupyterLab.)\n"
        shown.append({"output_type": "stream", "name": "stdout", "text": note})
    cell["outputs"] = shown
    printed = "".join(
        "".join(output["text"]) for output in shown if output["output_type"] == "stream"
    )
    said = said_of_pictures("".join(cell["source"]))
    words = " ".join(f"Picture of the section “{heading}”. {said} {printed}".split())
    cell["metadata"]["mystnb"] = {"image": {"alt": words[:250]}}


def said_of_pictures(code: str) -> str:
    """The prompts and labels that a cell's code names, which say what its picture shows."""
    found: dict[str, list[str]] = {"Prompt": [], "Labels": []}
    names = {"prompt": "Prompt", "prompts": "Prompt", "labels": "Labels"}
    for node in ast.walk(ast.parse(code)):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.keyword(arg=name, value=value)
            ) if name in names:
                parts = list(ast.walk(value))
                if not any(isinstance(part, ast.JoinedStr) for part in parts):  # not whole texts
                    texts = [part.value for part in parts if isinstance(part, ast.Constant)]
                    found[names[name]] += [text for text in texts if isinstance(text, str)]
    return " ".join(f"{kind}: {', '.join(texts)}." for kind, texts in found.items() if texts)
