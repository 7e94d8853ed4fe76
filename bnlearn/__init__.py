"""The companion package of the book: the norms of deep learning, written to be checked.

Importing it loads NumPy and nothing heavier. The pure functions are here; layers,
optimisers, training, data and figures live in modules of their own. :func:`diagnose` is
loaded when it is asked for.
"""

from bnlearn.norms import (
    batch_norm_backward,
    batch_norm_forward,
    batch_norm_inference,
    batch_norm_inference_backward,
    group_norm_backward,
    group_norm_forward,
    instance_norm_backward,
    instance_norm_forward,
    layer_norm_backward,
    layer_norm_forward,
    rms_norm_backward,
    rms_norm_forward,
)

__version__ = "0.1.0"

__all__ = [
    "batch_norm_backward",
    "batch_norm_forward",
    "batch_norm_inference",
    "batch_norm_inference_backward",
    "diagnose",
    "group_norm_backward",
    "group_norm_forward",
    "instance_norm_backward",
    "instance_norm_forward",
    "layer_norm_backward",
    "layer_norm_forward",
    "rms_norm_backward",
    "rms_norm_forward",
]


def __getattr__(name: str) -> object:
    """Load `diagnose` at its first use: it needs the layers and more."""
    if name == "diagnose":
        from bnlearn.diagnostics import diagnose

        return diagnose
    raise AttributeError(f"module 'bnlearn' has no attribute {name!r}")
