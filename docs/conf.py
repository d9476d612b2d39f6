"""How Sphinx makes the documentation: `make docs`, with every reference checked (`-n -W`)."""

from importlib import metadata

project = "fusetree"
author = "The fusetree authors"
copyright = "the fusetree authors"  # noqa: A001 -- Sphinx reads this name
release = metadata.version("fusetree")
version = ".".join(release.split(".")[:2])

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"fusetree {version}"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_class_signature = "separated"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_use_ivar = True
napoleon_custom_sections = [("Arguments", "params_style")]
default_role = "code"

# Nothing is fetched while the documentation is made, so names of the standard library and of attrs are not
# looked up; our own all are.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(?!fusetree)[a-z_]\w*(\.\w+)+"),  # dotted names of other packages
    (
        r"py:(class|exc|obj)",
        r"(int|str|bytes|float|bool|object|None|dict|list|tuple|set|type|memoryview|bytearray)",
    ),
    (r"py:(class|exc|obj)", r"\w*(Error|Exception|Group|Interrupt|Exit)"),
    (
        r"py:(class|obj)",
        r"(Self|Any|Callable|Iterable|Iterator|Mapping|Sequence|TracebackType|PathLike|[A-Z]|_[A-Z]\w*)",
    ),
]
