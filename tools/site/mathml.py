"""Formulas as MathML, which browsers draw themselves.

Sphinx's own way loads MathJax from a CDN into every page with a formula. docutils knows how to
write MathML; this hands its work to sphinx.
"""

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx.application import Sphinx


def visit_inline(translator, node: nodes.math) -> None:
    translator.body.append(to_mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def visit_block(translator, node: nodes.math_block) -> None:
    translator.body.append(to_mathml(node.astext(), as_block=True))
    raise nodes.SkipNode


def to_mathml(tex: str, as_block: bool) -> str:
    """One formula. Raises ValueError for LaTeX that docutils does not know."""
    try:
        return latex2mathml.tex2mathml(tex, as_block=as_block)
    except (latex2mathml.MathError, SyntaxError) as error:
        raise ValueError(f"formula {tex!r}: {error}") from error


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by sphinx."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
