"""How Sphinx makes the documentation: `make docs`, with every reference checked (`-n -W`)."""

from importlib import metadata

from sphinx.ext.napoleon.docstring import GoogleDocstring

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
autodoc_preserve_defaults = True  # mode=0o444, not mode=292
autodoc_default_options = {"members": True}
napoleon_use_ivar = True
napoleon_custom_sections = [("Arguments", "params_style")]
default_role = "code"

# Nothing is fetched while the documentation is made, so names of the standard library and of attrs are not
# looked up.  Of our own names all are that stand with their module, apart from private ones (type variables,
# the core's modules); bare names in signatures come from imports that only type checkers see.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(?!fusetree)[a-z_]\w*(\.\w+)+"),
    (r"py:.*", r"fusetree(\.\w+)*\._\w+(\.\w+)*"),
    (r"py:.*", r"(int|str|bytes|float|bool|object|None|dict|list|tuple|set|type|memoryview|bytearray)"),
    (r"py:.*", r"_?[A-Z]\w*"),
]


def _whole_text(self: GoogleDocstring) -> tuple[str, list[str]]:
    """The docstring of an attribute as it stands.

    Napoleon would take what stands before a colon in its first line for the attribute's type, which ours have
    in their annotations.
    """
    return "", self._dedent(self._consume_to_end())


GoogleDocstring._consume_inline_attribute = _whole_text


def _all_of_it(self: GoogleDocstring, *, preprocess_types: bool = False) -> list[tuple[str, str, list[str]]]:
    """The section "Returns:" as it stands, for the same reason."""
    lines = self._dedent(self._consume_to_next_section())
    return [("", "", lines)] if lines else []


GoogleDocstring._consume_returns_section = _all_of_it
