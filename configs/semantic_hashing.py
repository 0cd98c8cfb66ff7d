"""System D (semantic matching and cross-modal hashing) on paired features, with the values of docs/methods.md D5.6.

Command:  python -m experiments.train_pairs --config=configs/semantic_hashing.py --config.data.root=FOLDER
Hardware: 2 CPU cores, 2 GiB.
Time and result: 1 minute; on the Wikipedia features MAP 0.219 image to text and 0.278 text to image against the
training items, 0.217 and 0.169 against the test items (seed 0). The constants chosen on validation items, with which
`python -m experiments.reproduce --table=semantic_hashing/table1` runs, reach more: docs/semantic_hashing.md.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Every tunable number as one named field; the paper prints none of them but the code lengths."""
    config = ConfigDict()
    config.name = "semantic_hashing"
    config.system = "semantic_hashing"
    config.seed = 0

    config.data = ConfigDict()
    config.data.kind = "wikipedia"  # or "nuswide", "pascal_sentences", whose validation items are part of the split
    config.data.root = ""  # folder of the published features
    config.data.cache_dir = ".cache/avx"  # the built data set
    config.data.validation_share = 0.2  # of the training items where the data have no validation items; 0 for none
    config.data.split_seed = 0

    config.features = ConfigDict()
    # wikipedia: 128-d SIFT words; nuswide: 1134-d descriptors; of picture files (wikipedia, pascal_sentences):
    # "image_handcrafted" (504-d), and with weights "image_squeezenet" (512-d) or "image_resnet50" (2048-d)
    config.features.image = "image"
    config.features.image_weights = ""
    # wikipedia: 10-d topics; nuswide: 1000 tags; "text_tfidf": 1000-d of either; "text_words": 1000-d of texts
    config.features.text = "text"
    config.features.standardise = True  # by the training items, after the rows are L2-normalised

    config.model = ConfigDict()
    config.model.bits = 32  # the tables have 16, 32 and 64
    config.model.hidden_sizes = (1024, 512)  # D5.6
    config.model.dropout = 0.5  # D5.6, after the first layer
    config.model.head = "shared"  # D5.6; "hadamard" fixes orthogonal class code words
    config.model.score = "hash"  # "semantic" ranks by class posteriors, eq. 3
    config.model.label_smoothing = 0.0

    config.loss = ConfigDict()
    config.loss.label = 1.0  # CE_I + CE_T, D5.6
    config.loss.quantisation = 0.1  # mu, D5.6
    config.loss.similarity = 0.0  # pairwise likelihood across modalities; an addition
    config.loss.intra_similarity = 0.0  # and within each
    config.loss.balance = 0.0  # squared mean of each bit; an addition

    config.optimizer = ConfigDict()
    config.optimizer.name = "adam"  # D5.6
    config.optimizer.learning_rate = 1e-4  # D5.6
    config.optimizer.schedule = "constant"
    config.optimizer.warmup_steps = 0
    config.optimizer.weight_decay = 0.0
    config.optimizer.clip_norm = 0.0

    config.train = ConfigDict()
    config.train.batch_size = 64  # D5.6; global, over all devices
    config.train.epochs = 100  # D5.6
    config.train.patience = 10  # evaluations without gain, D5.6: early stop on validation MAP
    config.train.evaluate_every = 1  # epochs
    config.train.ema_decay = 0.0
    config.train.loader_threads = 2

    config.evaluation = ConfigDict()
    config.evaluation.batch_size = 64
    config.evaluation.ks = (1, 10, 100)
    config.evaluation.map_cutoffs = (50, 100)  # D5.1d
    config.evaluation.score = "map"  # validation items asking the fitted ones and each other, both directions
    return config
