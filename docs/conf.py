"""How Sphinx builds the documentation: ``python -m sphinx -W docs FOLDER``."""

from importlib import metadata

project = "tunebench"
author = "the authors of tunebench"
try:
    release = metadata.version("tunebench")
except metadata.PackageNotFoundError:  # tunebench on the path without an install
    release = ""

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"
exclude_patterns = ["_build"]
smartquotes_action = "D"  # dashes alone: quotation marks are shown as they are typed

# Links to a heading that is not there are warnings, and warnings end the build.
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]

# Docstrings: Google's sections, single backticks as a link where there is something to link to.
default_role = "py:obj"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = ["Source"]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autoclass_content = "class"
python_use_unqualified_type_names = True
add_module_names = False

# One theme, no font and no script from elsewhere.
html_theme = "furo"
html_title = "tunebench"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
