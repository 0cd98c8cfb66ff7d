"""A small folder in the layout of the published Wikipedia features: three classes that can be learnt."""

import numpy as np
import scipy.io

from avx.data.sets import wikipedia

CLASSES, ITEMS = 3, {"train": 36, "test": 12}


def write(folder):
    """Features that follow the class with noise, in the published layout."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for name in sorted({name for name, _, _ in wikipedia.ARRAYS.values()}):
        content = {}
        for kind, (owner, *keys) in wikipedia.ARRAYS.items():
            centres = np.random.default_rng(len(kind)).random((CLASSES, wikipedia.SIZES[kind]))
            for split, key in zip(wikipedia.LISTS, keys, strict=True):
                if owner == name:
                    rows = centres[np.arange(ITEMS[split]) % CLASSES]
                    content[key] = rows + 0.2 * rng.random(rows.shape)
        scipy.io.savemat(folder / name, content)
    (folder / "categories.list").write_text("art\nbiology\nmusic\n")
    for split, name in wikipedia.LISTS.items():
        lines = [f"{split}{row:02}\tpicture{row}\t{row % CLASSES + 1}" for row in range(ITEMS[split])]
        (folder / name).write_text("\n".join(lines))
    return folder
