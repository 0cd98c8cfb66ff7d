"""A small folder in the layout of the published NUS-WIDE archives: 120 images, 12 of each of the ten concepts."""

import numpy as np

from avx.data.sets import nuswide
from avx.data.sets.nuswide import CONCEPTS, DESCRIPTORS

IMAGES = {"Train": 70, "Test": 50}
COUNT = 120
PER_CONCEPT = 10
TWO_CONCEPTS, NO_CONCEPT, NO_TAG = 5, 17, 91
"""Places in "Train then Test" of the images that may not be chosen."""


def names():
    """Published with backslashes; the folder's name does not follow the order of the lines."""
    return [f"kind{place * 7 % 11}\\{place:04}_{place * 31 % 97}.jpg" for place in range(COUNT)]


def labels():
    """(120, 10): image i bears concept i mod 10, with two exceptions."""
    borne = np.eye(len(CONCEPTS), dtype=int)[np.arange(COUNT) % len(CONCEPTS)]
    borne[TWO_CONCEPTS, 9] = 1
    borne[NO_CONCEPT] = 0
    return borne


def tags():
    present = (np.random.default_rng(1).random((COUNT, nuswide.TAGS)) < 0.01).astype(int)
    present[:, 3] = 1
    present[np.arange(COUNT), 100 + np.arange(COUNT) % len(CONCEPTS)] = 1
    present[NO_TAG] = 0
    return present


def descriptor(number):
    """Counts for the visual words, small reals for the rest; the first ten entries follow the concept."""
    values = np.random.default_rng(10 + number).random((COUNT, DESCRIPTORS[number].width)).round(4)
    values[np.arange(COUNT), np.arange(COUNT) % len(CONCEPTS)] += 4
    return (values * 300).round() if number == 5 else values


def save(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(" ".join(f"{cell:g}" for cell in np.atleast_1d(row)) + " \n" for row in values))


def write(folder, whole=False):
    """The archives; with `whole` descriptors and labels lie in one file each, in the order of Imagelist.txt."""
    listed, first = names(), IMAGES["Train"]
    mixed = np.random.default_rng(2).permutation(COUNT)
    lists = folder / "ImageList"
    lists.mkdir(parents=True)
    (lists / "TrainImagelist.txt").write_text("\n".join(listed[:first]) + "\n")
    (lists / "TestImagelist.txt").write_text("\n".join(listed[first:]))
    (lists / "Imagelist.txt").write_text("\n".join(listed[place] for place in mixed))
    halves = {"Train": slice(0, first), "Test": slice(first, None)}
    for concept, values in zip(CONCEPTS, labels().T, strict=True):
        if whole:
            save(folder / "Groundtruth" / "AllLabels" / f"Labels_{concept}.txt", values[mixed])
        else:
            for part, rows in halves.items():
                save(folder / "Groundtruth" / "TrainTestLabels" / f"Labels_{concept}_{part}.txt", values[rows])
    for number, published in enumerate(DESCRIPTORS):
        if whole and number != 5:
            save(folder / "Low_Level_Features" / published.whole, descriptor(number)[mixed])
        else:
            for part, rows in halves.items():
                save(folder / "Low_Level_Features" / published.by_part.format(part=part), descriptor(number)[rows])
    for part, rows in halves.items():
        path = folder / "NUS_WID_Tags" / f"{part}_Tags1k.dat"
        save(path, tags()[rows])
        path.write_text(path.read_text().replace(" ", "\t"))
    return folder
