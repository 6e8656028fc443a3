"""Formulas as MathML, which browsers draw themselves.

Sphinx's own way loads MathJax from a CDN into every page with a formula. docutils knows how to
write MathML; this hands its work to sphinx.
"""

import re
from html import unescape
from xml.etree import ElementTree

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx.application import Sphinx

NAMESPACE = "http://www.w3.org/1998/Math/MathML"
MATHML = f"{{{NAMESPACE}}}"
ElementTree.register_namespace("", NAMESPACE)

HTML_ENTITY = re.compile(r"&(?!(?:lt|gt|amp|quot|apos);)\w+;")  # XML knows these five alone
ACCENTS = set(latex2mathml.accents.values())
MACRON = "\N{MACRON}"  # wider than docutils' modifier letter, so it is seen
BRACKETS = {"[": "prefix", "]": "postfix"}  # these grow with what they enclose


def visit_inline(translator, node: nodes.math) -> None:
    translator.body.append(to_mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def visit_block(translator, node: nodes.math_block) -> None:
    translator.body.append(to_mathml(node.astext(), as_block=True))
    raise nodes.SkipNode


def to_mathml(tex: str, as_block: bool) -> str:
    """One formula. Raises ValueError for LaTeX that docutils does not know."""
    try:
        written = latex2mathml.tex2mathml(tex, as_block=as_block)
    except (latex2mathml.MathError, SyntaxError) as error:
        raise ValueError(f"formula {tex!r}: {error}") from error
    formula = ElementTree.fromstring(HTML_ENTITY.sub(lambda found: unescape(found[0]), written))
    for element in list(formula.iter()):
        if _is_accent_with_index(element):
            _put_index_beside(element)
        elif element.tag == f"{MATHML}mo" and element.text in BRACKETS:
            element.attrib |= {"form": BRACKETS[element.text], "stretchy": "true"}
    return ElementTree.tostring(formula, encoding="unicode")


def _is_accent_with_index(element: ElementTree.Element) -> bool:
    return element.tag == f"{MATHML}munderover" and element[2].text in ACCENTS


def _put_index_beside(element: ElementTree.Element) -> None:
    """Mend x̄ with an index, which docutils sets below the x as if it were a limit."""
    letter, index, accent = element
    # Without accent="true", which lays the mark onto the letter where a font for formulas lacks.
    accented = ElementTree.Element(f"{MATHML}mover")
    accent.text = MACRON if accent.text == latex2mathml.accents["bar"] else accent.text
    accented.extend([letter, accent])
    element.tag = f"{MATHML}msub"
    element[:] = [accented, index]


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by sphinx."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
