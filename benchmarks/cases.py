"""What is raced: bnlearn, PyTorch's native kernel, textbook NumPy; on one thread."""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # read when NumPy and PyTorch are loaded

import time
import tracemalloc
from statistics import median

import numpy as np
import torch

from bnlearn import batch_norm_backward, batch_norm_forward

torch.set_num_threads(1)

SHAPES = [(256, 128), (1024, 256), (4096, 512), (65536, 256), (32, 64, 56, 56)]
ROUNDS = {
    (256, 128): 400,
    (1024, 256): 150,
    (4096, 512): 40,
    (65536, 256): 7,
    (32, 64, 56, 56): 11,
}
EPS = 1e-5


def draw(shape, mean_to_std=0.0, seed=0):
    """Draw x, gamma, beta and dout in float32."""
    rng = np.random.default_rng(seed)
    channels = shape[1]
    x = rng.standard_normal(shape, "f4") + np.float32(mean_to_std)
    gamma, beta = (rng.uniform(0.5, 2, channels).astype("f4") for _ in range(2))
    return x, gamma, beta, rng.standard_normal(shape, "f4")


def per_channel(a, x):
    """Shape one value per channel so that it broadcasts over x."""
    return a.reshape((1, -1) + (1,) * (x.ndim - 2))


def textbook_forward(x, gamma, beta):
    """Normalise as books write it."""
    axes = (0, *range(2, x.ndim))
    mean = x.mean(axis=axes, keepdims=True)
    var = x.var(axis=axes, keepdims=True)
    std = np.sqrt(var + np.float32(EPS))
    x_hat = (x - mean) / std
    y = per_channel(gamma, x) * x_hat + per_channel(beta, x)
    return y, (x, gamma, mean, std, x_hat)


def textbook_backward(dout, cache):
    """Go back through the stages one by one, as in many courses."""
    x, gamma, mean, std, x_hat = cache
    axes, m = (0, *range(2, x.ndim)), x.size // x.shape[1]
    dbeta = dout.sum(axis=axes)
    dgamma = (dout * x_hat).sum(axis=axes)
    dx_hat = dout * per_channel(gamma, x)
    dvar = -0.5 * (dx_hat * (x - mean)).sum(axis=axes, keepdims=True) / std**3
    dmean = -(dx_hat / std).sum(axis=axes, keepdims=True)
    dx = dx_hat / std + dvar * 2 * (x - mean) / m + dmean / m
    return dx, dgamma, dbeta


class Ours:
    """The package, as a reader calls it."""

    def __init__(self, x, gamma, beta, dout):
        self.arrays = x, gamma, beta
        self.dout = dout

    def forward(self):
        """Return y."""
        return batch_norm_forward(*self.arrays, eps=EPS)[0]

    def both(self):
        """Return y, dx, dgamma."""
        y, cache = batch_norm_forward(*self.arrays, eps=EPS)
        return y, *batch_norm_backward(self.dout, cache)[:2]


class Textbook(Ours):
    """NumPy as in a textbook."""

    def forward(self):
        """Return y."""
        return textbook_forward(*self.arrays)[0]

    def both(self):
        """Return y, dx, dgamma."""
        y, cache = textbook_forward(*self.arrays)
        return y, *textbook_backward(self.dout, cache)[:2]


class Native:
    """PyTorch's kernel, without autograd, into memory that is there already."""

    def __init__(self, x, gamma, beta, dout):
        self.x, self.gamma, self.beta, self.dout = map(
            torch.from_numpy, (x, gamma, beta, dout)
        )
        channels = x.shape[1]
        self.y, self.dx = torch.empty_like(self.x), torch.empty_like(self.x)
        self.mean, self.inv_std, self.dgamma, self.dbeta = torch.empty(4, channels)

    def forward(self):
        """Return y."""
        torch.ops.aten.native_batch_norm.out(
            self.x,
            self.gamma,
            self.beta,
            None,
            None,
            True,
            0.1,
            EPS,
            out=self.y,
            save_mean=self.mean,
            save_invstd=self.inv_std,
        )
        return self.y

    def both(self):
        """Return y, dx, dgamma."""
        self.forward()
        torch.ops.aten.native_batch_norm_backward.out(
            self.dout,
            self.x,
            self.gamma,
            None,
            None,
            self.mean,
            self.inv_std,
            True,
            EPS,
            [True] * 3,
            out0=self.dx,
            out1=self.dgamma,
            out2=self.dbeta,
        )
        return self.y, self.dx, self.dgamma


KINDS = {"ours": Ours, "torch": Native, "textbook": Textbook}


def race(one, other, rounds):
    """Run two functions in turn; return the ratio of their median times.

    Never three: textbook NumPy gives so much memory back to the system that whoever
    comes next pays for new pages.
    """
    times = [], []
    for turn in range(rounds + 1):
        for call, record in zip((one, other), times, strict=True):
            start = time.perf_counter()
            call()
            if turn:  # the first turn warms up
                record.append(time.perf_counter() - start)
    return median(times[0]) / median(times[1])


def peak(call):
    """Return the most bytes that NumPy held at a time beyond those before."""
    tracemalloc.start()
    try:
        kept = call()
        del kept
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def errors(shape, mean_to_std=1e4):
    """Return max|a - a64| / max|a64| over y, dx and dgamma, for each kind."""
    arrays = draw(shape, mean_to_std)
    exact = Textbook(*(a.astype("f8") for a in arrays)).both()
    return {
        name: max(
            float(np.abs(np.asarray(a) - b).max() / np.abs(b).max())
            for a, b in zip(kind(*arrays).both(), exact, strict=True)
        )
        for name, kind in KINDS.items()
    }
