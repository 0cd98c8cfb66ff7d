import io

import numpy as np
from PIL import Image

from avx.tables.measure_plots import over_bits, video_curves


def count_of(png, colour):
    drawn = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    return (np.abs(drawn - colour) < 12).all(-1).sum()


def test_curves_are_drawn_for_every_method():
    curves = {"one": [0.2, 0.9, 0.4], "two": [0.5, 0.5, 0.5]}
    drawn = video_curves(curves, "fidelity", "Fidelity")
    for colour in ((0, 0x72, 0xB2), (0xD5, 0x5E, 0)):
        assert count_of(drawn, colour) > 300
    assert drawn != video_curves(curves | {"two": [0.5, 0.6, 0.5]}, "fidelity", "Fidelity")


def test_code_lengths_are_drawn_with_their_deviations():
    values, deviations = {"D": [0.2, 0.4]}, {"D": [0.0, 0.0]}
    wide = over_bits([16, 32], values, {"D": [0.1, 0.1]}, 0.1, title="t", measure="MAP")
    narrow = over_bits([16, 32], values, deviations, 0.1, title="t", measure="MAP")
    assert count_of(wide, (0, 0x72, 0xB2)) > count_of(narrow, (0, 0x72, 0xB2)) + 100
