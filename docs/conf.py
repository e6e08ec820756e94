"""How the documentation is built: ``pip install -e '.[docs]'``, then ``sphinx-build -W docs site``."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

from reference_pages import write_pages  # noqa: E402

from eurosat_cls import __version__  # noqa: E402

write_pages(DOCS / "reference" / "generated")

project, release = "eurosat_cls", __version__
html_title = f"{project} {release}"
extensions = ["myst_nb"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["attrs_block"]
myst_heading_anchors = 3  # links such as input.md#bands are checked
nb_execution_mode, nb_execution_raise_on_error, nb_execution_timeout = "force", True, 180
nb_execution_in_temp = nb_merge_streams = True  # runs leave their folders there
pygments_style, pygments_dark_style = "default", "monokai"
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = html_show_sourcelink = False

# The colours and the type of report.html and map.html.
_FONT = {"font-stack": "system-ui, sans-serif"}


def _colours(ink: str, grey: str, line: str, back: str, tile: str, accent: str) -> dict[str, str]:
    brand = dict.fromkeys(("color-brand-primary", "color-brand-content", "color-brand-visited"), accent)
    sides = dict.fromkeys(("color-background-secondary", "color-code-background", "color-inline-code-background"), tile)
    return _FONT | brand | sides | {
        "color-foreground-primary": ink, "color-foreground-secondary": grey, "color-background-border": line,
        "color-background-primary": back,
    }  # fmt: skip


html_theme_options = {
    "light_css_variables": _colours("#1c1c1c", "#666", "#ddd", "#fff", "#f4f6f8", "#0072b2"),
    "dark_css_variables": _colours("#e8e8e8", "#a0a0a0", "#444", "#181a1b", "#24282b", "#56b4e9"),
}
