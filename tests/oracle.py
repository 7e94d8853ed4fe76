"""What the package is compared with: PyTorch, and textbook NumPy in float64.

Each `check_...` raises AssertionError on the first number that is off. Errors are
measured channel by channel against the size of the terms that make up a number, so
that a small channel can't hide behind a large one and cancellation can't cry wolf.
"""

import numpy as np
import torch

from bnlearn import norms
from bnlearn.layers import BatchNorm

# Small arrays: more threads only get into each other's way.
torch.set_num_threads(1)

TORCH = {"f2": torch.float16, "f4": torch.float32, "f8": torch.float64}

# Allowed errors relative to the size of the terms: some roundings of the result's
# dtype (2**-11, 2**-24, 2**-53 each), and in float64 those of PyTorch too.
TOLERANCE = {"f2": 1e-3, "f4": 2e-6, "f8": 1e-13}


def draw(shape, dtype="f8", seed=0):
    """Draw x, gamma, beta and dout: all distinct, some channels far from 0 and 1."""
    rng = np.random.default_rng(seed)
    channels = shape[1]
    # Cycles of different lengths. The second channel varies so little that eps shows;
    # the third has a mean of ten deviations.
    std = np.resize([2.0, 1e-3, 0.3, 5.0], channels)
    mean = np.resize([1.0, -0.002, 3.0, 0.0, -4.0], channels)
    column = (1, channels) + (1,) * (len(shape) - 2)
    x = mean.reshape(column) + std.reshape(column) * rng.standard_normal(shape)
    gamma = np.resize([1.5, -0.7, 2.0], channels) + 0.1 * rng.random(channels)
    beta = np.resize([-0.3, 4.0], channels) + 0.1 * rng.random(channels)
    dout = rng.standard_normal(shape)
    return tuple(a.astype(dtype) for a in (x, gamma, beta, dout))


def other_axes(a):
    """Name all axes but the channels."""
    return (0, *range(2, a.ndim))


def column(a, like):
    """Shape one value per channel so that it broadcasts over `like`."""
    return np.reshape(a, (1, -1) + (1,) * (like.ndim - 2))


def textbook(x, gamma, beta, dout, eps=1e-5):
    """Batch norm as in a textbook, staged, in the dtype of x. Independent of bnlearn.

    Returns y, dx, dgamma, dbeta, mean, var.
    """
    axes, m = other_axes(x), x.size // x.shape[1]
    mean = x.mean(axis=axes, keepdims=True)
    var = x.var(axis=axes, keepdims=True)
    std = np.sqrt(var + eps)
    x_hat = (x - mean) / std
    y = column(gamma, x) * x_hat + column(beta, x)
    dbeta = dout.sum(axis=axes)
    dgamma = (dout * x_hat).sum(axis=axes)
    dx_hat = dout * column(gamma, x)
    dvar = -0.5 * (dx_hat * (x - mean)).sum(axis=axes, keepdims=True) / std**3
    dmean = -(dx_hat / std).sum(axis=axes, keepdims=True)
    dx = dx_hat / std + dvar * 2 * (x - mean) / m + dmean / m
    return y, dx, dgamma, dbeta, mean.ravel(), var.ravel()


def relative_error(a, exact):
    """Return max|a - exact| / max|exact|."""
    return float(np.abs(a - exact).max() / np.abs(exact).max())


def to_torch(a, dtype=None):
    """Copy an array into a tensor; None stays None."""
    return None if a is None else torch.tensor(np.array(a), dtype=dtype)


def torch_batch_norm(
    x, gamma, beta, dout, *, eps=1e-5, running=None, dtype=None, momentum=0.1
):
    """Run PyTorch's forward and backward; with `running` in evaluation mode.

    Returns y, dx, dgamma, dbeta as arrays, None for what was not given.
    """
    tensors = [to_torch(a, dtype) for a in (x, gamma, beta)]
    for tensor in tensors:
        if tensor is not None:
            tensor.requires_grad_()
    mean, var = (None, None) if running is None else running
    y = torch.nn.functional.batch_norm(
        tensors[0],
        to_torch(mean, dtype),
        to_torch(var, dtype),
        *tensors[1:],
        training=running is None,
        momentum=momentum,
        eps=eps,
    )
    y.backward(to_torch(dout, dtype))
    gradients = [None if t is None else t.grad.numpy() for t in tensors]
    return y.detach().numpy(), *gradients


def assert_near(name, actual, expected, scale, dtype):
    """Compare within TOLERANCE times `scale`, which broadcasts over the arrays."""
    if expected is None:
        assert actual is None, f"{name}: expected None"
        return
    assert actual.shape == expected.shape, name
    assert actual.dtype == np.dtype(dtype), name
    with np.errstate(invalid="ignore"):
        # Two infinities that agree have no difference.
        bad = ~(np.abs(actual - expected) <= TOLERANCE[np.dtype(dtype).str[1:]] * scale)
    bad &= ~((actual == expected) | (np.isnan(actual) & np.isnan(expected)))
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise AssertionError(
            f"{name}: {bad.sum()} of {bad.size} differ; "
            f"at {where} got {actual[where]}, PyTorch gives {expected[where]}"
        )


def check_results(names, results, x, gamma, beta, dout, mean, var, eps=1e-5, **options):
    """Compare (y, dx, dgamma, dbeta) with PyTorch's results in float64.

    `mean` and `var` are those that normalise, in float64.
    """
    exact = torch_batch_norm(
        x, gamma, beta, dout, eps=eps, dtype=torch.float64, **options
    )
    axes, wide = other_axes(x), x.astype("f8")
    std = column(np.sqrt(var + eps), x)
    x_hat = np.abs((wide - column(mean, x)) / std)
    top = x_hat.max(axis=axes, keepdims=True, initial=0) + 1
    if x.dtype == np.float64:  # PyTorch is no more exact, and loses digits by the mean
        top = top + np.abs(column(mean, x)) / std
    g = 1.0 if gamma is None else np.abs(column(gamma, x).astype("f8"))
    b = 0.0 if beta is None else np.abs(column(beta, x).astype("f8"))
    d = np.abs(dout.astype("f8"))
    d_top = d.max(axis=axes, keepdims=True, initial=0)
    scales = (
        g * top + b,
        g / std * d_top * top,
        (d * top).sum(axis=axes) + 1e-300,
        d.sum(axis=axes) + 1e-300,
    )
    kinds = [
        x.dtype,
        x.dtype,
        None if gamma is None else gamma.dtype,
        None if beta is None else beta.dtype,
    ]
    for name, actual, wanted, scale, kind in zip(
        names, results, exact, scales, kinds, strict=True
    ):
        assert_near(name, actual, wanted, scale, kind)


def channel_moments(x):
    """Return mean and biased variance of each channel in float64; 0 for none."""
    wide, axes = x.astype("f8"), other_axes(x)
    if x.size == 0:
        return np.zeros((2, x.shape[1]))
    return wide.mean(axis=axes), wide.var(axis=axes)


def check_training(x, gamma, beta, dout, eps=1e-5):
    """Compare batch_norm_forward and batch_norm_backward with PyTorch."""
    y, cache = norms.batch_norm_forward(x, gamma, beta, eps=eps)
    results = y, *norms.batch_norm_backward(dout, cache)
    mean, var = channel_moments(x)
    names = ("y", "dx", "dgamma", "dbeta")
    check_results(names, results, x, gamma, beta, dout, mean, var, eps)
    if x.size:
        assert cache.mean.dtype == np.float64
        # Statistics of any dtype of x are worth at least float32: 1e-6 of their size.
        np.testing.assert_allclose(
            cache.mean, mean, rtol=1e-6, atol=1e-6 * np.sqrt(var.max())
        )
        np.testing.assert_allclose(cache.var, var, rtol=1e-5, atol=1e-30)
        np.testing.assert_allclose(
            cache.inv_std, 1 / np.sqrt(var + eps), rtol=1e-5, atol=0
        )


def check_inference(x, gamma, beta, dout, running_mean, running_var, eps=1e-5):
    """Compare batch_norm_inference and its backward pass with PyTorch."""
    y, cache = norms.batch_norm_inference(
        x, running_mean, running_var, gamma, beta, eps=eps
    )
    results = y, *norms.batch_norm_inference_backward(dout, cache)
    running = running_mean.astype("f8"), running_var.astype("f8")
    names = ("y", "dx", "dgamma", "dbeta")
    check_results(names, results, x, gamma, beta, dout, *running, eps, running=running)


def make_pair(channels, dtype="f8", **options):
    """Make the same layer twice: ours and PyTorch's, with distinct gamma and beta."""
    ours = BatchNorm(channels, dtype=dtype, **options)
    theirs = torch.nn.BatchNorm1d(channels, dtype=TORCH[dtype], **options)
    # BatchNorm1d, 2d and 3d differ in this check alone.
    theirs._check_input_dim = lambda x: None
    rng = np.random.default_rng(7)
    for name, value in ours.parameters().items():
        value[...] = rng.uniform(0.5, 2, channels) * rng.choice([-1, 1], channels)
        getattr(theirs, name).data[...] = torch.tensor(value)
    return ours, theirs


def assert_like_tensor(name, actual, tensor, rtol, atol):
    """Compare an array with a tensor: values and dtype, `atol` in units of its size."""
    wanted = tensor.detach().numpy()
    # A channel or group of low variance multiplies gradients by some hundred.
    size = max(1.0, np.abs(wanted).max(initial=0))
    np.testing.assert_allclose(
        actual, wanted, rtol=rtol, atol=atol * size, err_msg=name
    )
    assert actual.dtype == wanted.dtype, name


class TorchResidual(torch.nn.Sequential):
    """What Residual is compared with."""

    def forward(self, x):
        """Return x + f(x)."""
        return x + super().forward(x)


def check_layer(shape, dtype="f8", steps=4, **options):
    """Follow PyTorch's layer through training and evaluation, running stats too."""
    ours, theirs = make_pair(shape[1], dtype, **options)
    # float32: PyTorch's own roundings, summed naively, are in the comparison.
    rtol, atol = {"f8": (1e-11, 1e-12), "f4": (1e-4, 2e-5)}[dtype]

    def compare(name, a, b):
        assert_like_tensor(name, a, b, rtol, atol)

    modes = [True] * steps + [False, True, False]
    for seed, training in enumerate(modes):
        ours.train(training)
        theirs.train(training)
        x, _, _, dout = draw(shape, dtype, seed)
        tensor = torch.tensor(x, requires_grad=True)
        theirs.zero_grad()
        y = theirs(tensor)
        y.backward(torch.tensor(dout))
        compare("y", ours(x), y)
        compare("dx", ours.backward(dout), tensor.grad)
        for name, gradient in ours.gradients().items():
            compare(f"gradient of {name}", gradient, getattr(theirs, name).grad)
        state, wanted = ours.state_dict(), theirs.state_dict()
        assert state.keys() == wanted.keys()
        for name, value in state.items():
            compare(name, value, wanted[name])
