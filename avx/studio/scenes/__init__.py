"""What moves: one function (pen, plan, look, time) for each kind of thing, drawn in about [-1, 1] on both axes."""

from __future__ import annotations

import dataclasses

from avx.studio.canvas import Colour


@dataclasses.dataclass(frozen=True)
class Look:
    """The colours of one clip's thing; they stay the same through all its shots.

    Attributes:
      main: the colour that the caption names.
      second: a contrasting colour for parts.
      accent: for sparks, drops and lights.
    """

    main: Colour
    second: Colour
    accent: Colour
