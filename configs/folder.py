"""System A on a folder of one's own clips.

Command:  python -m experiments.train --config=configs/folder.py --config.data.root=PATH
          add --config.features.video=squeezenet --config.features.video_weights=FILE.h5 for pretrained features
Hardware: 2 CPU cores, 4 GiB.
Time and result: 3 minutes for 42 clips with the SqueezeNet weights, report included. So few clips train to about
chance; a few dozen per class do better (configs/quickstart.py).
"""

from ml_collections import ConfigDict

from configs import quickstart


def get_config() -> ConfigDict:
    """The quickstart model on the files of `data.root`, with an optional clips.csv (clip_id,file,label,caption)."""
    config = quickstart.get_config()
    config.name = "folder"
    config.data.kind = "folder"
    config.data.split_fractions = (0.6, 0.15, 0.25)
    config.decode.frame_rate = 2.0
    config.decode.height = 0  # frames are decoded as features.video wants them
    config.decode.width = 0
    config.decode.max_seconds = 20.0
    config.features.max_audio_steps = 0  # as many as the longest clip has
    config.train.batch_size = 32
    return config
