"""The page of the table of agreement with people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from avx.reports.tables import Table, table_markdown

PEOPLE, STRETCHES = "people among themselves", "equal stretches"


def not_measured(content: Mapping[str, Any]) -> list[str]:
    """What the material does not allow, in words."""
    lines = []
    if content["pictures"]:
        lines.append("CUS of our methods: the material holds the chosen pictures, and no video to choose from.")
    if content["without_features"]:
        lines.append(
            f"F-scores of our methods on {content['without_features']} of {content['videos']} videos: their files hold "
            "summaries alone, neither frames nor features."
        )
    if content["references"]:
        lines.append(
            f"Agreement with the reference key frames of {len(content['references'])} videos: "
            "neither users nor the videos are there."
        )
    return lines


def markdown(content: Mapping[str, Any]) -> str:
    """The content of table.json as a page."""
    parts = ["# Agreement with people"]
    if content["pictures"]:
        body = [
            (
                *(row[name] for name in ("video", "summary", "user")),
                f"{row['accuracy']:.2f}",
                f"{row['error']:.2f}",
                "" if row["official"] is None else "{:.2f} / {:.2f}".format(*row["official"]),
            )
            for row in content["pictures"]
        ]
        body += [
            ("mean", row["summary"], f"{row['count']} users", f"{row['accuracy']:.2f}", f"{row['error']:.2f}", "")
            for row in content["picture_means"]
        ]
        header = ("video", "summary", "user", "CUS_A", "CUS_E", "official")
        parts.append(table_markdown(Table("Key frames (CUS, de Avila et al. 2011)", header, tuple(body))))
        held = [row["equal"] for row in content["pictures"] if row["equal"] is not None]
        if held:
            parts.append(f"Equal to the official program's figures: {sum(held)} of {len(held)}.")
    if content["frames"]:
        scores = [
            (row["video"], row["summary"], f"{row['mean']:.3f}", f"{row['best']:.3f}") for row in content["frames"]
        ]
        scores += [
            (f"mean of {row['count']} videos", row["summary"], f"{row['mean']:.3f}", f"{row['best']:.3f}")
            for row in content["frame_means"]
        ]
        title = f"Summaries of {content['settings']['share']:.0%} (F-score)"
        columns = ("video", "summary", "mean over users", "best user")
        parts.append(table_markdown(Table(title, columns, tuple(scores))))
        parts.append(
            f"{PEOPLE.capitalize()}: each user's summary against those of the others, averaged over the users. "
            f"{STRETCHES.capitalize()}: a control that looks at no frame. SumMe is usually reported by the best user, "
            "TVSum by the mean."
        )
    if content["references"]:
        figures = content["references"]
        counts: list[tuple[str, ...]] = [
            (video, str(row["key_frames"]), str(row["repeated"])) for video, row in figures.items()
        ]
        counts.append(
            ("all", *(str(sum(row[name] for row in figures.values())) for name in ("key_frames", "repeated")))
        )
        parts.append(table_markdown(Table("Reference key frames", ("video", "key frames", "repeated"), tuple(counts))))
        parts.append(
            f"Repeated: the hue histogram is nearer than {content['settings']['threshold']:g} to an earlier one's."
        )
    if content["not_measured"]:
        parts.append("## Not measured\n\n" + "\n".join(f"- {line}" for line in content["not_measured"]))
    return "\n\n".join(parts) + "\n"
