"""Sphinx's settings for the site; see https://www.sphinx-doc.org/en/master/usage/configuration.html."""

from tools.browser.bundle import PACKAGES

FONT = PACKAGES / "@fontsource/noto-sans-math/files/noto-sans-math-latin-400-normal.woff2"

project = "Stable Diffusion course"
html_title = project
language = "en"

extensions = ["myst_nb", "tools.site.live", "tools.site.mathml"]
nb_execution_mode = "off"  # solutions come executed
nb_merge_streams = True
nb_ipywidgets_js = {}  # by default two scripts from a CDN; `stage` leaves widgets out
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4

highlight_language = "none"  # a block that names no language holds commands
pygments_style = "friendly"
pygments_dark_style = "github-dark"
html_theme = "furo"
html_show_copyright = False
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = False  # it fetches pages, which browsers forbid for files on a disk
html_static_path = ["static", str(FONT)]
html_css_files = ["course.css"]
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b6e75", "color-brand-content": "#0b6e75"},
    "dark_css_variables": {"color-brand-primary": "#5fc9d0", "color-brand-content": "#5fc9d0"},
}
