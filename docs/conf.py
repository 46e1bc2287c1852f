"""How the site is built: `nox -s docs`."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "dss-client"
author = "The dss-client developers"
copyright = "2026, the dss-client developers"  # noqa: A001 - the name that Sphinx asks for
release = version = version_of("dss-client")

extensions = [
    "charts",  # in _ext, as are the next two
    "reference",
    "repository",
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build", "**/README.md"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]  # of Snakemake and WDL, which Pygments has not

# Notebooks run while the site is built; an error in one fails the build.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120

toc_object_entries_show_parents = "hide"

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the signature has them
autoclass_content = "class"
autodoc_class_signature = "mixed"
python_maximum_signature_line_length = 80
napoleon_google_docstring = True
napoleon_numpy_docstring = False
smartquotes = False  # they make one dash of the two of an option
default_role = "code"  # a single backquote, as docstrings use it

html_theme = "sphinx_book_theme"
html_title = "dss-client"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "repository_url": "https://github.com/dss-client/dss-client",
    "use_repository_button": True,
    "use_issues_button": True,
    "path_to_docs": "docs",
    "show_navbar_depth": 1,
    "navbar_persistent": [],  # one search is enough
}

linkcheck_timeout = 10
