"""HTML pages from templates: everything inline, nothing loaded, all text escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from auctionlab.errors import StoreError
from auctionlab.experiments.drawing import inline_svg
from auctionlab.experiments.pictures import Picture


def write_page(path: str | Path, template: str, pictures: list[Picture], **words: Any) -> Path:
    """Render a template and write it; the folder is made if need be. StoreError where it cannot be written."""
    path = Path(path)
    figures = [(picture, Markup(inline_svg(picture.figure, picture.name, picture.alt))) for picture in pictures]
    text = _templates().get_template(template).render(figures=figures, **words)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise StoreError(f"cannot write the report to {str(path)!r}: {error.strerror or error}") from None
    return path


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("auctionlab", "experiments"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
