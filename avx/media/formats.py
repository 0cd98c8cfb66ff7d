"""The formats of media files: one table, which the scan of a folder and the reader of a file share."""

from __future__ import annotations

from typing import NamedTuple


class Format(NamedTuple):
    """One demuxer.

    Attributes:
      name: libav's name of it.
      video: suffixes of its files with pictures, without the dot.
      audio: suffixes of its files with nothing but sound.
    """

    name: str
    video: str = ""
    audio: str = ""


# Formats that hold media themselves. Playlists and manifests (hls, concat, dash) would make the demuxer open other
# files and addresses, and the text demuxers would "decode" any file, so neither is in the table.
TABLE = (
    Format("mov", "mp4 m4v mov qt 3gp 3g2 f4v mj2 ismv", "m4a m4b m4r isma"),
    Format("matroska", "mkv mk3d webm", "mka weba"),
    Format("avi", "avi divx"),
    Format("mpeg", "mpg mpeg mpe m2p vob"),
    Format("mpegts", "ts mts m2ts m2t tp trp tod"),
    Format("mpegvideo", "m1v m2v mpv"),
    Format("flv", "flv"),
    Format("asf", "wmv asf", "wma"),
    Format("ogg", "ogv ogm ogx", "ogg oga opus spx"),
    Format("gif", "gif"),
    Format("apng", "apng"),
    Format("mxf", "mxf"),
    Format("nut", "nut"),
    Format("ivf", "ivf"),
    Format("rm", "rm rmvb", "ra"),
    Format("wtv", "wtv"),
    Format("dv", "dv dif"),
    Format("yuv4mpegpipe", "y4m"),
    Format("h264", "h264 264 avc"),
    Format("hevc", "hevc h265 265"),
    Format("obu", "obu"),
    Format("m4v"),  # Raw MPEG-4 pictures; their suffix is that of mp4 files.
    Format("wav", audio="wav wave bwf rf64"),
    Format("w64", audio="w64"),
    Format("flac", audio="flac"),
    Format("mp3", audio="mp3 mp2 mpa m2a"),
    Format("aac", audio="aac adts"),
    Format("ac3", audio="ac3"),
    Format("eac3", audio="eac3 ec3"),
    Format("dts", audio="dts"),
    Format("aiff", audio="aiff aif aifc afc"),
    Format("au", audio="au snd"),
    Format("caf", audio="caf"),
    Format("amr", audio="amr"),
    Format("wv", audio="wv"),
    Format("tta", audio="tta"),
    Format("ape", audio="ape"),
    Format("tak", audio="tak"),
    Format("mpc", audio="mpc"),
    Format("mpc8"),
    Format("dsf", audio="dsf"),
    Format("voc", audio="voc"),
    Format("nistsphere", audio="nist sph"),
)


def _suffixes(column: str) -> frozenset[str]:
    return frozenset(f".{suffix}" for row in TABLE for suffix in getattr(row, column).split())


FORMATS = tuple(row.name for row in TABLE)
"""Demuxers that a file may be opened by, whatever its suffix."""
VIDEO_SUFFIXES = _suffixes("video")
"""Suffixes, in lower case and with the dot, of files that a scan takes for videos."""
AUDIO_SUFFIXES = _suffixes("audio")
"""Suffixes of files that a scan takes for sound."""
