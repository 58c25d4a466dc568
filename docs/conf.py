"""How the site is built: `sphinx-build -W -n docs build/docs`. Nothing on its pages comes from elsewhere."""

from __future__ import annotations

from typing import Any

import redisq

project = "redisq"
author = "redisq's contributors"
release = version = redisq.__version__

extensions = ["sphinx.ext.autodoc", "sphinx_argparse_cli"]
html_theme = "furo"
html_title = f"redisq {release}"
html_copy_source = False
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
templates_path: list[str] = []
exclude_patterns = ["examples"]

default_role = "literal"  # as docstrings write code
highlight_language = "text"
pygments_style = "friendly"
# en-dashes for `--flags` in prose would be wrong
smartquotes = False

autodoc_typehints = "signature"
python_display_short_literal_types = True

# Nothing but redisq's public names has a page here to lead to.
nitpick_ignore_regex = [("py:.*", r"(?!redisq\.[A-Za-z_]+$).*")]

# Who reads a signature is to see, and to follow, the public name of a class and not where it is kept.
for name in redisq.__all__:
    public = getattr(redisq, name)
    if isinstance(public, type):
        public.__module__, public.__qualname__, public.__name__ = "redisq", name, name


def only_errors(_app: Any, what: str, name: str, obj: Any, skip: bool, _options: Any) -> bool | None:
    """`automodule:: redisq` is for the page of the errors, which so has all of them; the other names have places of
    their own.
    """
    if what == "module" and name in redisq.__all__:
        return not (isinstance(obj, type) and issubclass(obj, Exception))
    return None


def draw_tree(_app: Any, what: str, name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """A docstring's drawing of a tree keeps its lines. The package's one line stands on no page."""
    if name == "redisq":
        lines.clear()
    drawn = [number for number, line in enumerate(lines) if line.startswith(("├──", "└──"))]
    if what == "module" and drawn:
        tree = slice(drawn[0] - 1, drawn[-1] + 1)
        lines[tree] = ["::", "", *(f"    {line}" for line in lines[tree]), ""]


def setup(app: Any) -> None:
    app.connect("autodoc-skip-member", only_errors)
    app.connect("autodoc-process-docstring", draw_tree)
