"""System A on a folder of one's own clips.

Command:  python -m experiments.train --config=configs/folder.py --config.data.root=PATH
          python -m experiments.train --config=configs/folder.py:pretrained --config.data.root=PATH \
              --config.features.video_weights=squeezenet.h5 --config.features.audio_weights=yamnet.safetensors
Hardware: 2 CPU cores, 4 GiB.
Time and result: 3 minutes for 42 clips, report included. Without pretrained features so few clips train to about
chance; a few dozen per class do better (configs/quickstart.py). docs/small_data.md has the figures of `pretrained`,
the choice below some 500 clips.
"""

from ml_collections import ConfigDict

from configs import quickstart


def get_config(features: str = "trained") -> ConfigDict:
    """System A on the files of `data.root`, with an optional clips.csv (clip_id,file,label,caption).

    Args:
      features: "trained", the quickstart model, whose encoders start from nothing; or "pretrained", a linear head on
        frozen features of SqueezeNet and YAMNet.
    """
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
    if features == "pretrained":
        _linear_on_pretrained(config)
    elif features != "trained":
        raise ValueError(f"configs/folder.py:{features} is unknown; choose trained or pretrained.")
    return config


def _linear_on_pretrained(config: ConfigDict) -> None:
    """The small head of docs/small_data.md, where each of these choices is measured."""
    config.name = "folder_pretrained"
    config.features.video = "squeezenet"
    config.features.audio = "yamnet"
    config.features.audio_hop_seconds = 0.0  # YAMNet's own
    config.model.lstm_layers = 0
    config.model.attention = False
    config.model.video_sizes = (128,)  # one linear layer
    config.model.audio_sizes = (128,)
    config.model.dropout = 0.0
    config.model.input_centring = True
    config.model.augment = False
    config.loss.label_weight = 0.0  # the ranked lists know the classes
    config.loss.structure_weight = 0.0
    config.loss.ranked_list_margin = 0.8
    config.optimizer.name = "sgd"  # moves within the span of the training features; Adam does not
    config.optimizer.learning_rate = 10.0  # the unit embeddings' gradients are small
    config.optimizer.warmup_steps = 0
    config.train.batch_size = 128  # all of few clips at once: with a step of its own, a rest of two would weigh as much
    config.train.epochs = 100
    config.train.evaluate_every = 100  # the last state counts: a handful of validation clips cannot choose an epoch
    config.train.patience = 0
