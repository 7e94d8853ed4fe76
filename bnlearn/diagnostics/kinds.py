"""Every kind of finding, with the advice and the section that explains it."""

from bnlearn.exercises.definition import Section

__all__ = ["KINDS"]

TWO, THREE = "02_normalization", "03_identity_transform"
FIVE, SEVEN = "05_inference_statistics", "07_training_in_practice"
MODES = Section(FIVE, "A laboratory of train() and eval()")
SAVED = Section(FIVE, "What is learned, what is kept, what is saved")
QUIET = Section(TWO, "What eps does to a quiet pixel")

KINDS: dict[str, tuple[str, Section]] = {
    "not-finite": (
        "Find the batch or the step that did it: averages and weights never forget it.",
        Section(SEVEN, "One of two networks guesses"),
    ),
    "mode": (
        "Call train() or eval() on the whole network; a layer that stays frozen needs "
        + "its own eval() after every train().",
        MODES,
    ),
    "no-statistics": (
        "Set track_running_stats=True, or use a norm that does not look at the batch.",
        MODES,
    ),
    "never-updated": (
        "Train in training mode, load the whole state dict, or call update_bn.",
        SAVED,
    ),
    "drift": (
        "If these batches are like those of training, measure the statistics again "
        + "with update_bn; if they are not, that is the finding.",
        Section(FIVE, "Measuring again"),
    ),
    "dropout": (
        "Keep it if what dropout gains is worth the gap, else put dropout behind the "
        + "last norm; update_bn would measure the same again.",
        Section(SEVEN, "Dropout before batch norm"),
    ),
    "unmixed": (
        "Shuffle, so that every batch is a small sample of all the data.",
        Section(FIVE, "Batches that are not mixed"),
    ),
    "momentum": (
        "Set 1 - a for what Keras, Flax and ONNX call a: 0.1 for 0.9.",
        Section(FIVE, "Two conventions for one word"),
    ),
    "one-value": (
        "For batch norm use larger batches, or drop a last batch of one; for the others "
        + "more pixels, more features or fewer groups.",
        MODES,
    ),
    "few-values": (
        "For batch norm use larger batches; for the others more pixels, more features "
        + "or fewer groups.",
        Section("06_norm_variants", "Two examples are not enough"),
    ),
    "constant": (
        "Find out why: the norm makes beta of it, whatever its value is.",
        QUIET,
    ),
    "eps": (
        "Scale up what comes in, or choose a smaller eps, if the channel matters; or "
        + "leave it if it is meant.",
        QUIET,
    ),
    "dead": (
        "Try a smaller learning rate, and look at the layer before it: gamma and beta "
        + "of a norm, or weights and bias.",
        Section(SEVEN, "Four plots"),
    ),
    "gamma": (
        "Leave it if it was set so at the start; else look for too much weight decay.",
        Section(THREE, "What training makes of them"),
    ),
    "bias": (
        "Build the layer with bias=False: the norm's beta, if it has one, does its job.",
        Section(THREE, "The dead bias"),
    ),
}
