"""The film studio behind the embedded dataset: from (clip number, seed) to pictures, sound, sentences and truth.

Every byte of a clip is determined in this room and in `avx.media.encode`; the dataset's digest covers both.
"""
