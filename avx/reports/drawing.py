"""How every picture looks: one typeface, one colour-blind safe palette, PNG bytes without a date.

Figures are drawn on their own Agg canvas and leave no global state behind.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

# Okabe and Ito's colours, those with enough contrast on white first; told apart under every common colour blindness.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6A3D9A", "#7F7F7F")
WRONG = "#D55E00"
INK, FAINT, GROUND = "#222222", "#8A8A8A", "#EDEDED"
DASHES = ("-", "--", "-.", ":")
MARKERS = ("o", "^", "s", "D", "v", "P")
CHANCE: dict[str, Any] = {"color": FAINT, "linestyle": (0, (2, 2)), "linewidth": 1.4}
DPI = 144
_STYLE = Path(__file__).with_name("pictures.mplstyle")


@contextmanager
def drawing() -> Iterator[None]:
    """The style, for the time of one picture; wrap both the drawing and `png_bytes` in it."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Captions may hold scripts that the typeface lacks; the picture then shows boxes, the page the real text.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        matplotlib.rc_file(_STYLE)
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty white figure of `width` x `height` inches with its own canvas."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def line_look(place: int) -> dict[str, Any]:
    """The look of line number `place`: the first one thick and on top."""
    return {
        "color": PALETTE[place % len(PALETTE)],
        "linestyle": DASHES[place // len(PALETTE) % len(DASHES)],
        "linewidth": 2.6 if place == 0 else 1.7,
        "zorder": 3 if place == 0 else 2,
    }


def pixel_axes(figure: Figure):
    """Axes over the whole figure in units of 1/100 inch, y downwards, for sheets that are laid out by hand."""
    axes = figure.add_axes((0, 0, 1, 1))
    width, height = figure.get_size_inches() * 100
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    return axes


def png_bytes(figure: Figure) -> bytes:
    """`figure` as PNG without metadata, so that equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def jpeg_bytes(image: Image.Image, quality: int = 88) -> bytes:
    """`image` as JPEG with full colour resolution, for inlining photographs in the page."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()
