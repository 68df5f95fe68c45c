"""Turning templates and plots into one HTML file that needs nothing else."""

import json
from importlib.resources import files as package_files
from typing import Any

from strandwise.errors import InputError
from strandwise.report.figures import Figure


def script_safe_json(value: Any) -> str:
    r"""Return JSON that can stand inside a <script> element whatever its strings hold.

    >>> script_safe_json("</script>")
    '"\\u003c/script\\u003e"'
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def check_installed() -> None:
    """Refuse to start on what ends in a page where one cannot be made.

    Raises:
        InputError: jinja2 or plotly is not installed.
    """
    try:
        import jinja2  # noqa: F401
        import plotly.offline  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"a report needs {error.name}, which is not installed: pip install 'strandwise[report]'"
        ) from error


def render(template: str, figures: list[Figure], **values: Any) -> str:
    """Return a template as a page with its style sheet, its plots and plotly.js inside.

    Raises:
        InputError: jinja2 or plotly is not installed.
    """
    check_installed()
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    templates = package_files("strandwise.report") / "templates"
    environment = Environment(
        loader=PackageLoader("strandwise.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Our own files and escaped JSON: the only text that enters a page without autoescape.
    trusted = {
        "style": (templates / "style.css").read_text(encoding="utf-8"),
        "script": (templates / "plots.js").read_text(encoding="utf-8"),
        "plotly": get_plotlyjs() if figures else "",
        "figures_json": script_safe_json(figures),
    }
    markup = {name: Markup(text) for name, text in trusted.items()}  # noqa: S704
    return environment.get_template(template).render(**markup, **values)
