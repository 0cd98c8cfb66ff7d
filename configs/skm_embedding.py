"""System A (Sun 2024): SKM key frames, VGGish/BiLSTM audio, joint embedding, with the paper's values.

Command:  python -m experiments.train --config=configs/skm_embedding.py --config.data.root=CLIPS \
              --config.features.video_weights=resnet50.pth --config.features.audio_weights=vggish.pth
Hardware: one GPU with 16 GiB, or any number of them.
Time and result: not yet run (the weights and the paper's corpus are not part of the package); its parts are those of
configs/quickstart.py, which is run and measured.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Every tunable number of the paper as one named field."""
    config = ConfigDict()
    config.name = "skm_embedding"
    config.system = "skm_embedding"
    config.seed = 0

    config.data = ConfigDict()
    config.data.kind = (
        "folder"  # files of one's own; "embedded": the data set that renders itself; "grid"; "mpii_cooking"
    )
    config.data.root = ""  # the folder; for "embedded" where it is built, "" for data.cache_dir
    config.data.missing = "quarantine"  # files that a table names and that are not there; "refuse" stops the run
    config.data.frames_per_second = 0.0  # of clips that are folders of pictures; 0 refuses such folders
    config.data.csv = ""  # table of clips, relative to root; "" for clips.csv where there is one, else the folders
    config.data.clips = 600  # size of the embedded data set
    config.data.seed = 0  # of the embedded data set
    config.data.speech = "track"  # "spoken": the sound of an embedded clip is its caption, read out by espeak-ng
    config.data.grid_classes = "command"  # the word of a GRID sentence that is its class, or "sentence"
    config.data.cooking_split = "film"  # MPII Cooking 2; "item": segments of one film may lie on several sides
    config.data.split_fractions = (
        0.72,
        0.18,
        0.1,
    )  # train, validation, test; paper III.B: 10 % test, 5 folds in the rest
    config.data.split_seed = 0
    config.data.cache_dir = ".cache/avx"  # features, and the embedded data set
    config.data.workers = 0  # decoding threads and rendering processes; 0 for one per core

    config.decode = ConfigDict()
    config.decode.frame_rate = 2.0  # Hz, docs/methods.md 9.1: 1-2 frames a second
    config.decode.height = 0  # pixels of frames stretched to height x width; 0: see short_side
    config.decode.width = 0
    config.decode.short_side = 0  # of the shorter side, the other in proportion; all 0: as features.video wants frames
    config.decode.sample_rate = 16000  # Hz, VGGish
    config.decode.max_seconds = 60.0  # longer clips are cut here

    config.decode.limits = ConfigDict()  # a file that asks for more is put aside as too_large
    config.decode.limits.pixels = 8192 * 8192  # of one picture
    config.decode.limits.channels = 64
    config.decode.limits.sample_rate = 768_000  # Hz
    config.decode.limits.seconds = 86_400.0
    config.decode.limits.clip_bytes = 4 << 30  # of a clip, decoded and in memory
    config.decode.limits.memory_bytes = 768 << 20  # to decode pictures that are large, or large for their file
    config.decode.limits.processor_seconds = 10.0  # likewise, beside twice the seconds that are read

    config.keyframes = ConfigDict()
    config.keyframes.features = (
        "deep"  # "deep": salient-region features of the video encoder; "handcrafted": no weights
    )
    config.keyframes.saliency = "spectral_residual"  # or "frequency_tuned", "minimum_barrier"
    config.keyframes.delta = 1.5  # threshold mu + delta sigma, paper eq. 7-8
    config.keyframes.k_rule = "changes"  # or "changes+1"
    config.keyframes.max_clusters = 12  # static upper bound of K
    config.keyframes.sofm = "batch"  # or "online", paper eq. 9-10
    config.keyframes.sofm_epochs = 20
    config.keyframes.max_rounds = 100  # k-medoids
    config.keyframes.swap_sweeps = 0  # of swaps after k-medoids, which the paper does not have

    config.features = ConfigDict()
    config.features.video = "resnet50"  # "pixels" trains a compact CNN; "handcrafted", or frozen, from weights:
    # "squeezenet", "resnet50" of key frames, "i3d" of windows of frames; "i3d_input" trains I3D on from its weights
    config.features.video_weights = ""  # for "i3d" and "i3d_input" those of its RGB stream
    config.features.flow_weights = ""  # of I3D's flow stream; may be the same checkpoint
    config.features.flow = "full"  # TV-L1 for I3D; "fast": a third of the time, a tenth of a pixel off
    config.features.i3d_dtype = "float32"  # of I3D's convolutions; or "bfloat16"
    config.features.window_frames = 64  # frames that I3D sees at once
    config.features.window_stride = 64
    config.features.max_windows = 16  # that a batch holds of a clip; 0: the longest
    config.features.image_size = 224  # side of a key frame that the encoder sees
    config.features.audio = "vggish"  # or "yamnet", frozen, from weights; "log_mel" trains model.audio_encoder; "mfcc"
    config.features.audio_weights = ""
    config.features.audio_hop_seconds = 0.96  # between log-mel examples, paper II.A: one a second; 0: the encoder's own
    config.features.max_audio_steps = 64  # examples (or frames of MFCC) of a clip that a batch holds; 0: the longest
    config.features.mfcc_coefficients = 40  # or 13
    config.features.mfcc_mels = 128
    config.features.mfcc_deltas = True  # slopes and curvatures
    config.features.mfcc_hop_seconds = 0.01
    config.features.mfcc_window_seconds = 0.025

    config.model = ConfigDict()
    config.model.frame_widths = (16, 32, 64, 128)  # stages of the compact CNN, for features.video = "pixels"
    config.model.audio_encoder = "vggish"  # or "audio_cnn", normalised for training from scratch on few clips
    config.model.audio_widths = (64, 128, 256, 512)  # VGGish
    config.model.audio_fc_sizes = (4096, 4096, 128)  # VGGish
    config.model.lstm_layers = 2  # Table 1; 0: the blocks themselves
    config.model.lstm_size = 1024  # Table 1, per direction
    config.model.lstm_peephole = True  # eq. 1-3
    config.model.blocks = 10  # t of section II.A, value not printed
    config.model.selected_blocks = 5  # s
    config.model.attention = True  # False: the mean of all blocks (Table 2)
    config.model.attention_size = 128
    config.model.video_sizes = (2048, 512)  # III.B
    config.model.audio_sizes = (2048, 1024, 512)
    config.model.hidden_activation = "sigmoid"
    config.model.output_activation = "tanh"
    config.model.dropout = 0.2  # Table 1
    config.model.input_norm = False  # normalise the features before mapping, example by example
    config.model.input_centring = False  # subtract their training mean; frozen features alone, see docs/small_data.md
    config.model.augment = False  # change pixels and log-mel examples at random in every training step
    config.model.logit_scale = 1.0  # factor on the class logits of the unit embeddings; not in the paper

    config.loss = ConfigDict()
    config.loss.label_weight = 1.0  # L_lp, eq. 12
    config.loss.ranked_list_weight = 1.0  # beta_1, eq. 14-18
    config.loss.structure_weight = 1.0  # beta_2, eq. 20-21
    config.loss.structure_video = 0.2  # lambda_v
    config.loss.structure_audio = 0.2  # lambda_m
    config.loss.triplet_weight = 0.0  # beta_3: superseded by the ranked list in the text
    config.loss.triplet_margin = 0.2
    config.loss.triplet_mining = "hard_and_semi_hard"
    config.loss.triplet_distance = "cosine"  # eq. 14, its sign corrected; or "squared_euclidean", "euclidean"
    config.loss.ranked_list_boundary = 1.2  # alpha
    config.loss.ranked_list_margin = 0.4  # m
    config.loss.ranked_list_temperature = 10.0  # T_n
    config.loss.label_smoothing = 0.0  # not in the paper

    config.optimizer = ConfigDict()
    config.optimizer.name = "adam"
    config.optimizer.learning_rate = 1e-3  # Table 1
    config.optimizer.schedule = "constant"
    config.optimizer.warmup_steps = 0
    config.optimizer.weight_decay = 0.0
    config.optimizer.clip_norm = 0.0

    config.train = ConfigDict()
    config.train.batch_size = 128  # Table 1; global, over all devices
    config.train.epochs = 40  # Table 1
    config.train.patience = 10  # evaluations without gain
    config.train.evaluate_every = 1  # epochs
    config.train.ema_decay = 0.0  # 0 keeps no average
    config.train.loader_threads = 4

    config.evaluation = ConfigDict()
    config.evaluation.batch_size = 32  # fixed, so that an embedding never depends on its neighbours
    config.evaluation.ks = (1, 5, 10)
    config.evaluation.score = "class/map"  # validation metric that picks the best checkpoint, mean of both directions
    config.evaluation.map_cutoffs = ()  # of truncated average precisions
    config.evaluation.galleries = ("test",)  # splits that the test items are asked of
    config.evaluation.validation_galleries = ("val",)  # likewise for the validation items
    config.evaluation.sweep_metrics = (
        "video_to_audio/class/hit@1",
        "audio_to_video/class/hit@1",
        "video_to_audio/class/map",
        "audio_to_video/class/map",
        "video_to_audio/instance/hit@10",
        "audio_to_video/instance/hit@10",
    )  # columns of the table of experiments.sweep
    config.evaluation.report_items = 12  # clips with a key-frame sheet

    config.baselines = ConfigDict()  # closed-form systems on the same features, with candidates tried on validation
    config.baselines.cca = ConfigDict()
    config.baselines.cca.dimensions = (5, 10, 20, 40)
    config.baselines.cca.ridge = (1e-3, 1e-2, 1e-1)
    config.baselines.cca.correlation_power = (0.0,)
    return config
