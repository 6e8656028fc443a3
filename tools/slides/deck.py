"""Cut a notebook into slides."""

import re
from dataclasses import dataclass, field

from tools.notebooks.colab import TAG
from tools.site.stage import show_statically

SHOWN_SENTENCES = 2
SOLUTION = ": a solution"
MAX_TEXT_BESIDE_CODE = 320  # characters; more would push the code off the slide
MAX_LINES_ABOVE_REMARK = 10  # of code; the remark would be pushed off


@dataclass
class Slide:
    """One slide: what is shown, and in `notes` (Markdown) what is said."""

    title: str
    is_lesson_title: bool = False
    text: str = ""  # Markdown
    code: str = ""
    outputs: list[dict] = field(default_factory=list)
    alt: str = ""
    closing: str = ""  # Markdown, below the code and what it shows
    notes: str = ""
    section: str = ""  # the heading above, which goes on after an exercise
    is_continued: bool = False  # text without a heading of its own


def cut(solution: dict, lesson: dict) -> list[Slide]:
    """The slides of an executed solution; `lesson` is the same notebook with its blanks.

    A heading opens a slide, and so does each cell of code. An exercise makes two: the blank, and
    then the answer. A short remark on what a cell has shown stays with it. Cells that only check an
    answer, or set up Colab, are left out.
    """
    blanks = {cell["id"]: _source(cell) for cell in lesson["cells"]}
    slides: list[Slide] = []
    for cell in solution["cells"]:
        if _is_for_the_notebook_alone(cell):
            continue
        if cell["cell_type"] == "markdown":
            slides += _text_slides(_source(cell), slides[-1] if slides else Slide(""))
        else:
            before = slides[-1] if slides else Slide("")
            new = _code_slides(cell, before, blanks)
            if _is_short_text(before):  # it introduces this cell: one slide for both
                new[0].text, new[0].notes = before.text, f"{before.notes}\n\n{new[0].notes}".strip()
                slides.pop()
            slides += new
    shown = [slide for slide in slides if slide.is_lesson_title or slide.text or slide.code]
    return _with_remarks(shown)


def _source(cell: dict) -> str:
    """A cell's text or code; a notebook's file may hold it in lines."""
    return "".join(cell["source"])


def _is_for_the_notebook_alone(cell: dict) -> bool:
    """Whether a cell only checks an answer, or sets up Colab."""
    is_check = bool(re.match(r'exercise\("[\w.]+"\)\.check\(', _source(cell).lstrip()))
    return is_check or TAG in cell["metadata"].get("tags", [])


def _with_remarks(slides: list[Slide]) -> list[Slide]:
    """The slides, those with nothing but a short remark joined to the code that they speak of."""
    joined: list[Slide] = []
    for slide in slides:
        before = joined[-1] if joined else Slide("")
        is_remark = slide.is_continued and _is_short_text(slide)
        has_room = before.code and before.code.count("\n") < MAX_LINES_ABOVE_REMARK
        if is_remark and has_room and not before.closing:
            before.closing, before.notes = slide.text, f"{before.notes}\n\n{slide.notes}".strip()
        else:
            joined.append(slide)
    return joined


def _text_slides(source: str, before: Slide) -> list[Slide]:
    """A slide for every heading in a cell of text, and one for text before the first."""
    slides = []
    section, title = before.section, _title_after(before)
    for part in re.split(r"^(?=#{1,4} )", source, flags=re.MULTILINE):
        if not part.strip():
            continue
        heading = re.match(r"(#{1,4}) (.+)\n?", part)
        body = part[heading.end() :].strip() if heading else part.strip()
        title = heading[2].strip() if heading else title
        section = title if heading and len(heading[1]) <= 2 else section
        is_first = bool(heading) and heading[1] == "#"
        text = shown_text(body)
        if is_first:  # what the lesson is about and its goals; not the ways through the notebook
            text = "\n\n".join(text.split("\n\n")[:2])
        slides.append(
            Slide(title, is_first, text, notes=body, section=section, is_continued=not heading)
        )
    return slides


def _title_after(slide: Slide) -> str:
    """The title of what follows without a heading: an answered exercise is over."""
    return slide.section if slide.title.endswith(SOLUTION) else slide.title


def shown_text(body: str) -> str:
    """What of a text is shown: lists, tables, formulas, pictures, and the first sentences."""
    blocks = [block for block in re.split(r"\n\s*\n", body) if block.strip()]
    shown, prose_was_shown = [], False
    for block in blocks:
        if re.match(r"\s*([-*|>] |\d+\. |!\[|```|\$\$)", block):
            shown.append(block)
        elif not prose_was_shown:
            sentences = re.split(r"(?<=[.!?:]) +(?=[A-Z*`])", " ".join(block.split()))
            shown.append(" ".join(sentences[:SHOWN_SENTENCES]))
            prose_was_shown = True
    return "\n\n".join(shown)


def _is_short_text(slide: Slide) -> bool:
    has_room = len(slide.text) <= MAX_TEXT_BESIDE_CODE and "\n\n" not in slide.text
    return bool(slide.text) and has_room and not slide.code and not slide.is_lesson_title


def _code_slides(cell: dict, before: Slide, blanks: dict[str, str]) -> list[Slide]:
    """The slides of a code cell, with the notes of the text before them."""
    title = _title_after(before)
    show_statically(cell, title)
    alt = cell["metadata"]["mystnb"]["image"]["alt"]
    done = Slide(
        title, code=_source(cell), outputs=cell["outputs"], alt=alt, section=before.section
    )
    if "exercise" not in cell["metadata"]:
        return [done]
    done.title += SOLUTION
    blank = Slide(title, code=blanks.get(cell["id"], ""), notes="Your turn.")
    return [blank, done]
