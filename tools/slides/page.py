"""One HTML file from slides, with style, script and pictures inside."""

import base64
import html
from pathlib import Path

from markdown_it import MarkdownIt
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from tools.slides.deck import Slide

HERE = Path(__file__).parent
FORMATTER = HtmlFormatter(nowrap=True)
DENSE_LINES, DENSER_LINES = 12, 18  # from so many lines of code on, the letters are smaller
BRIEF_LINES = 5  # printed text up to this stands below the code, and longer text beside it


def render(slides: list[Slide], folder: Path) -> str:
    """The whole page. Addresses of pictures in the text are relative to `folder`."""
    markdown = _markdown(folder)
    sections = [_section(slide, number, markdown) for number, slide in enumerate(slides, start=1)]
    parts = {
        "TITLE": html.escape(slides[0].title),
        "STYLE": (HERE / "slides.css").read_text(encoding="utf-8") + _code_style(),
        "SCRIPT": (HERE / "slides.js").read_text(encoding="utf-8"),
        "SLIDES": "\n".join(sections),
    }
    page = (HERE / "slides.html").read_text(encoding="utf-8")
    for name, content in parts.items():
        page = page.replace(f"<!-- {name} -->", content)
    return page


def _code_style() -> str:
    light = HtmlFormatter(style="friendly").get_style_defs("code")
    dark = HtmlFormatter(style="github-dark").get_style_defs("code")
    return f"\n{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


def _markdown(folder: Path) -> MarkdownIt:
    """A renderer that embeds pictures, and leaves links into the course as plain words."""
    markdown = MarkdownIt("commonmark").enable("table")

    def image(self, tokens, index, options, env) -> str:
        token = tokens[index]
        address = str(token.attrs["src"])
        if "://" not in address:
            data = base64.b64encode((folder / address).read_bytes()).decode()
            address = f"data:image/{Path(address).suffix[1:]};base64,{data}"
        return f'<img src="{address}" alt="{html.escape(token.content)}">'

    def link_open(self, tokens, index, options, env) -> str:
        if "://" in str(tokens[index].attrs["href"]):
            return self.renderToken(tokens, index, options, env)
        return "<span>"

    def link_close(self, tokens, index, options, env) -> str:
        opened = next(
            token
            for token in reversed(tokens[:index])
            if token.type == "link_open" and token.level == tokens[index].level
        )
        return "</a>" if "://" in str(opened.attrs["href"]) else "</span>"

    for rule in (image, link_open, link_close):
        markdown.add_render_rule(rule.__name__, rule)
    return markdown


def _section(slide: Slide, number: int, markdown: MarkdownIt) -> str:
    level = "h1" if slide.is_lesson_title else "h2"
    kind = "opening" if slide.is_lesson_title else "slide"
    body = [f"<{level}>{markdown.renderInline(slide.title)}</{level}>"]
    if slide.text:
        body.append(f'<div class="text">{markdown.render(slide.text)}</div>')
    if slide.code:
        work = "work with-remark" if slide.closing else "work"
        body.append(f'<div class="{work}">{_code(slide.code)}{_outputs(slide)}</div>')
    if slide.closing:
        body.append(f'<div class="text">{markdown.render(slide.closing)}</div>')
    if slide.notes:
        body.append(f"<aside>{markdown.render(slide.notes)}</aside>")
    return f'<section id="{number}" class="{kind}">{"".join(body)}</section>'


def _code(source: str) -> str:
    lines = source.count("\n") + 1
    size = "densest" if lines > DENSER_LINES else "dense" if lines > DENSE_LINES else ""
    code = highlight(source, PythonLexer(), FORMATTER)
    return f'<pre class="{size}" tabindex="0"><code>{code}</code></pre>'


def _outputs(slide: Slide) -> str:
    shown = "".join(_output(output, slide.alt) for output in slide.outputs)
    is_brief = "<img" not in shown and "<table" not in shown and shown.count("\n") <= BRIEF_LINES
    kind = "outputs brief" if is_brief else "outputs"
    return f'<div class="{kind}">{shown}</div>' if shown else ""


def _output(output: dict, alt: str) -> str:
    """One output as HTML: a picture, a table or a note in its own HTML, or plain text."""
    data = output.get("data", {})
    if "image/png" in data:
        picture = "".join(data["image/png"]).replace("\n", "")
        return f'<img src="data:image/png;base64,{picture}" alt="{html.escape(alt)}">'
    if "text/html" in data:
        return "".join(data["text/html"])
    text = "".join(output.get("text") or data.get("text/plain", ""))
    return f"<pre>{html.escape(text)}</pre>" if text.strip() else ""
