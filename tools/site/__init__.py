"""The course as a static site: reading, lessons, executed solutions, search without a network.

    python -m tools.site            build it into site/

`stage` gathers the pages with their pictures into a folder of its own, sphinx renders them with
`conf.py`, `mathml` sets the formulas, `live` names the script of pages on which the model runs,
`tools.browser` writes what that script needs, and `check` reads what came out: nothing may be
loaded from another host, no link may be broken, every picture needs an alt text.
"""
