"""The page of Sun 2024, table 4: the published form, all averages, and what differs from the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from avx.extraction.key_frames import JUDGED_ENCODER
from avx.keyframes.shot_boundary import SPREAD
from avx.registry.frame_methods import HANDCRAFTED, HISTOGRAM
from avx.reports.tables import Table, table_markdown


def _pair(figures: Mapping[str, float]) -> tuple[str, str]:
    return f"{figures['fidelity']:.3f}", f"{figures['compression_ratio']:.3f}"


def _all_pairs(figures: Mapping[str, Mapping[str, float]], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(text for name in names for text in _pair(figures[name]))


def video_cells(content: Mapping[str, Any]) -> Table:
    """The published form: one row a video, then the averages measured here, then the printed ones."""
    names = tuple(content["printed_averages"])
    body = [
        (f"{number} {row['video']}", str(row["frames"]), *_all_pairs(row["methods"], names))
        for number, row in enumerate(content["rows"], start=1)
    ]
    body.append(("average", "", *_all_pairs(content["averages"], names)))
    body.append(("average as printed", "", *_all_pairs(content["printed_averages"], names)))
    header = tuple(f"{name} {short}" for name in names for short in ("Fid", "CR"))
    return Table("Fidelity and compression ratio", ("video", "frames", *header), tuple(body))


def average_cells(content: Mapping[str, Any]) -> Table:
    """Averages of all methods, controls included, with the measures that the paper does not print."""
    body = [
        (
            name,
            *_pair(figures),
            f"{figures['mean_fidelity']:.3f}",
            f"{figures['objective']:.2f}",
            f"{figures['K']:.1f}",
        )
        for name, figures in content["averages"].items()
    ]
    header = ("method", "fidelity", "compression ratio", "mean fidelity", "objective", "K")
    return Table(f"Averages over {len(content['rows'])} videos", header, tuple(body))


def markdown(content: Mapping[str, Any]) -> str:
    """The content of table.json as a page."""
    settings = content["settings"]
    rate = f"{settings['frame_rate']:g} frames a second" if settings["frame_rate"] else "every frame"
    parts = [
        "# Key frames by four methods (Sun 2024, table 4)",
        table_markdown(video_cells(content)),
        table_markdown(average_cells(content)),
        "Fidelity is 1 - semi-Hausdorff distance (the frame that is represented worst decides), mean fidelity 1 - mean "
        "distance to the nearest key frame, compression ratio 1 - K / n, objective the sum of those distances. Below "
        "the four published methods stand controls: k-means of the features that SKM sees, VSUMM (de Avila et al. "
        "2011: its own K, no near-uniform frames, no two key frames alike), SKM refined by swaps, and as many frames "
        "as SKM takes at equal distances.",
        "## The published statements\n\n" + "\n".join(f"- {line}" for line in content["findings"]),
        "## What differs from the paper\n\n" + "\n".join(f"- {line}" for line in _differences(content, rate)),
        "![Fidelity](fidelity.png)\n\n![Compression ratio](compression_ratio.png)",
    ]
    if content["left_out"]:
        parts.insert(-1, "## Left out\n\n" + "\n".join(f"- {line}" for line in content["left_out"]))
    return "\n\n".join(parts) + "\n"


def _seen(settings: Mapping[str, Any], encoder: str) -> str:
    """What of the judgement the methods look at themselves when they choose."""
    if settings["features"] == HISTOGRAM:
        skm = "SKM and the clustering of its features look at the first half of it when they choose"
    elif encoder == JUDGED_ENCODER:
        skm = "SKM and the clustering of its features look at the second half of it when they choose"
    elif settings["features"] == HANDCRAFTED:
        skm = "SKM and the clustering of its features look at a relative of its second half when they choose"
    else:
        skm = "SKM and the clustering of its features look at neither half of it when they choose"
    return f"{skm}; shot boundaries at the first half, clustering at its hues, frame differences at grey levels."


def _cuts(settings: Mapping[str, Any]) -> str:
    found = (
        f"above mean + {settings['high']:g} sigma" if settings["cuts"] == SPREAD else "that stand out from neighbours"
    )
    return f"shot boundaries {found}, {'with' if settings['gradual'] else 'without'} gradual transitions"


def _differences(content: Mapping[str, Any], rate: str) -> list[str]:
    settings = content["settings"]
    frames = [row["frames"] for row in content["rows"]]
    return [
        f"Videos: the {len(frames)} longest of {content['source']}, {min(frames)} to {max(frames)} frames at {rate}; "
        "the paper does not say which 20 of CMU-MOSEI it took, nor at what rate.",
        f"Features: {content['encoder']}; the paper's are salient-region features of a network that it does not name.",
        "Fidelity: the paper does not define it. Every method is judged here by the same "
        f"{content['judged_by']}; D_max is {settings['largest_distance']}. {_seen(settings, content['encoder'])}",
        f"Constants: delta {settings['delta']:g} ({settings['k_rule']}, {settings['sofm']} map), {_cuts(settings)}, "
        f"differences above mean + {settings['factor']:g} sigma, "
        f"K = round({settings['fraction']:g} n) for clustering; the paper prints none of them.",
    ]
