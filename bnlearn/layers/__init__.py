"""Layers with state: linear maps, convolution, activations, norms, losses.

A layer has ``forward(x)`` and ``backward(dout)``; the latter stores the gradients of
the parameters and returns the gradient of x. Names of arguments and of entries in a
state dict are PyTorch's, so weights travel in both directions: `weight` and `bias`
of a norm are gamma and beta.
"""

from bnlearn.layers.base import Layer, Residual, Sequential
from bnlearn.layers.conv import AvgPool2d, Conv2d, Flatten
from bnlearn.layers.dense import Dropout, Linear, ReLU, Sigmoid, Tanh
from bnlearn.layers.losses import cross_entropy, mean_squared_error
from bnlearn.layers.networks import mlp
from bnlearn.layers.norm import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    Norm,
    RMSNorm,
)

__all__ = [
    "AvgPool2d",
    "BatchNorm",
    "Conv2d",
    "Dropout",
    "Flatten",
    "GroupNorm",
    "InstanceNorm",
    "Layer",
    "LayerNorm",
    "Linear",
    "Norm",
    "RMSNorm",
    "ReLU",
    "Residual",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "cross_entropy",
    "mean_squared_error",
    "mlp",
]
