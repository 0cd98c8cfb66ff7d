"""How every picture looks: one typeface, one colour-blind safe palette, PNG bytes without a date.

Figures are drawn on their own Agg canvas and leave no global state behind.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
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

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 9,
    "axes.labelcolor": "#444444",
    "axes.edgecolor": "#999999",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.linewidth": 1.8,
    "text.color": INK,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    # A caption such as "$5 and $6" is text, never a formula.
    "text.parse_math": False,
    "text.usetex": False,
    "axes.formatter.use_mathtext": False,
    "path.sketch": None,
}


@contextmanager
def drawing() -> Iterator[None]:
    """The style, for the time of one picture; wrap both the drawing and `png_bytes` in it."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Captions may hold scripts that the typeface lacks; the picture then shows boxes, the page the real text.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        matplotlib.rcParams.update(matplotlib.rcParamsDefault)
        matplotlib.rcParams.update(_STYLE)
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
