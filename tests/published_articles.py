"""A small archive in the layout of the published Wikipedia files: pictures and articles beside the lists."""

import numpy as np
from PIL import Image

CLASSES = ("art", "biology", "music")
ITEMS = {"train": 9, "test": 3}
LISTS = {"train": "trainset_txt_img_cat.list", "test": "testset_txt_img_cat.list"}
COLOURS = np.array([[200, 30, 30], [30, 190, 40], [40, 50, 210]])
SUBJECTS = ("painting brush", "cell leaf", "chord opera")


def article(text):
    return f"<document><name>title</name><text>{text}</text></document>"


def write(folder):
    """12 items whose colour and words follow the class; article names run against the order of the lists."""
    rng = np.random.default_rng(0)
    (folder / "texts").mkdir(parents=True)
    (folder / "categories.list").write_text("\n".join(CLASSES) + "\n")
    for split, name in LISTS.items():
        lines = []
        for row in range(ITEMS[split]):
            label, text, picture = row % 3, f"{split}-{9 - row}", f"{split}picture{row}"
            lines.append(f"{text}\t{picture}\t{label + 1}")
            (folder / "texts" / f"{text}.xml").write_text(
                article(f"The {SUBJECTS[label]}, {SUBJECTS[label]} no. {row}")
            )
            target = folder / "images" / CLASSES[label] / f"{picture}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            pixels = (COLOURS[label] + rng.integers(0, 40, (40, 40, 3))).astype(np.uint8)
            Image.fromarray(pixels).save(target, quality=95)
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder
