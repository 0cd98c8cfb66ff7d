"""System D (semantic matching and cross-modal hashing) on paired features, with the values of docs/methods.md D5.6.

Command:  python -m experiments.train --config=configs/semantic_hashing.py --config.data.root=FOLDER
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
    config.data.kind = "wikipedia"  # or "nuswide", "mirflickr", "pascal_sentences"; "features": files of one's own
    config.data.root = ""  # folder of the published features, or the file or folder of one's own
    config.data.several_labels = False  # nuswide: take images of several of the ten concepts too, with all of these
    config.data.columns = ()  # names in files of one's own, such as ("labels=y",); see docs/own_features.md
    config.data.split_fractions = (0.7, 0.1, 0.2)  # of files of one's own that state no split
    config.data.cache_dir = ".cache/avx"  # the built data set
    config.data.validation_share = 0.2  # of the training items where the data have no validation items; 0 for none
    config.data.split_seed = 0

    config.features = ConfigDict()
    config.features.sides = ("image", "text")  # the two sides that are retrieved from each other
    # The features that each side reads. wikipedia: "image" (128-d SIFT words) and "text" (10-d topics); nuswide:
    # "image" (1134-d descriptors) and "text" (1000 tags); mirflickr: "text" (tags that 20 pictures have); of either
    # "text_tfidf", weighted; of picture files (wikipedia, mirflickr, pascal_sentences) "image_handcrafted" (504-d), and
    # with weights "image_squeezenet" (512-d) or "image_resnet50" (2048-d); of texts: "text_words" (1000-d). Of files of
    # one's own the name of a matrix.
    config.features.kinds = ("image", "text")
    config.features.image_weights = ""  # file of the network that a kind names
    config.features.normalise = True  # rows to unit length
    config.features.standardise = True  # then columns by the training items

    config.model = ConfigDict()
    config.model.bits = 32  # the tables have 16, 32 and 64
    config.model.hidden_sizes = (1024, 512)  # D5.6
    config.model.dropout = 0.5  # D5.6, after the first layer
    config.model.head = "shared"  # D5.6; "hadamard" fixes class code words that lie far apart
    config.model.score = "hash"  # "semantic" ranks by class posteriors, eq. 3

    config.loss = ConfigDict()
    config.loss.label = 1.0  # CE_I + CE_T, D5.6
    config.loss.quantisation = 0.1  # mu, D5.6
    config.loss.similarity = 0.0  # pairwise likelihood across modalities; an addition
    config.loss.intra_similarity = 0.0  # and within each
    config.loss.balance = 0.0  # squared mean of each bit; an addition
    config.loss.label_smoothing = 0.0

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
    config.evaluation.score = "class/map"  # mean over validation galleries and directions; picks the best epoch
    config.evaluation.galleries = ("train+val", "test")  # splits that the test items are asked of
    config.evaluation.validation_galleries = ("train", "val")  # that the validation items are asked of
    config.evaluation.sweep_metrics = ("image_to_text/class/map", "text_to_image/class/map")
    config.evaluation.report_items = 12

    config.baselines = ConfigDict()  # closed-form systems on the same features, with candidates tried on validation
    config.baselines.cca = ConfigDict()
    config.baselines.cca.dimensions = (3, 5, 7, 9)
    config.baselines.cca.ridge = (1e-2, 1e-1, 1.0)  # others beyond an edge that validation chooses
    config.baselines.cca.correlation_power = (0.0,)
    return config
