"""What is raced: bnlearn, PyTorch's native kernels, textbook NumPy; on one thread.

A case is a norm and a shape. Each kind of implementation is one class for all norms.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # read when NumPy and PyTorch are loaded

import math
import time
import tracemalloc
from statistics import median
from typing import NamedTuple

import numpy as np
import torch

import bnlearn

torch.set_num_threads(1)

EPS = 1e-5
MEMORY_GOALS = (1.1, 2.1)
ERROR_GOAL = 2e-5


class Case(NamedTuple):
    """A norm, a shape, and what the project means to reach.

    Goals are ratios to PyTorch's native kernel: forward, and with backward.
    """

    norm: str
    shape: tuple[int, ...]
    rounds: int
    goals: tuple[float, float]
    num_groups: int | None = None

    def __str__(self):
        """Name the case as a line of the table does."""
        groups = f", {self.num_groups} groups" if self.num_groups else ""
        return f"{self.norm} {'x'.join(map(str, self.shape))}{groups}"

    @property
    def options(self):
        """What the package's function wants between x and gamma."""
        return {
            "batch": (),
            "layer": (self.shape[-1],),
            "group": (self.num_groups,),
        }[self.norm]

    @property
    def views(self):
        """The shape in which the norm is taken over whole axes, these, and gamma's."""
        n, c, *spatial = self.shape
        if self.norm == "layer":
            return self.shape, (1,), (1, c)
        if self.norm == "batch":
            ones = (1,) * len(spatial)
            return self.shape, (0, *range(2, 2 + len(spatial))), (1, c, *ones)
        groups = self.num_groups
        size = c // groups
        view = (n, groups, size, math.prod(spatial))
        return view, (2, 3), (1, groups, size, 1)


CASES = [
    Case("batch", (256, 128), 400, (2.9, 1.9)),
    Case("batch", (1024, 256), 150, (2.9, 1.9)),
    Case("batch", (4096, 512), 40, (2.9, 1.9)),
    Case("batch", (65536, 256), 7, (2.9, 0.95)),
    Case("batch", (32, 64, 56, 56), 11, (0.71, 0.95)),
    Case("layer", (4096, 512), 40, (4, 4)),
    Case("group", (32, 64, 56, 56), 11, (3, 1), num_groups=8),
]


def draw(case, mean_to_std=0.0, seed=0):
    """Draw x, gamma, beta and dout in float32; gamma and beta go along axis 1."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(case.shape, "f4") + np.float32(mean_to_std)
    gamma, beta = (rng.uniform(0.5, 2, case.shape[1]).astype("f4") for _ in range(2))
    return x, gamma, beta, rng.standard_normal(case.shape, "f4")


class Ours:
    """The package, as a reader calls it."""

    def __init__(self, case, x, gamma, beta, dout):
        self.run = getattr(bnlearn, f"{case.norm}_norm_forward")
        self.run_back = getattr(bnlearn, f"{case.norm}_norm_backward")
        self.arguments = x, *case.options, gamma, beta
        self.dout = dout

    def forward(self):
        """Return y."""
        return self.run(*self.arguments, eps=EPS)[0]

    def both(self):
        """Return y, dx, dgamma."""
        y, cache = self.run(*self.arguments, eps=EPS)
        return y, *self.run_back(self.dout, cache)[:2]


class Textbook:
    """NumPy as in a textbook: staged, backward as in many courses."""

    def __init__(self, case, x, gamma, beta, dout):
        view, self.axes, like = case.views
        self.x, self.dout = x.reshape(view), dout.reshape(view)
        self.gamma, self.beta = gamma.reshape(like), beta.reshape(like)
        self.shared = tuple(axis for axis, size in enumerate(like) if size == 1)
        self.shape = x.shape

    def run(self):
        """Normalise as books write it."""
        x = self.x
        mean = x.mean(axis=self.axes, keepdims=True)
        var = x.var(axis=self.axes, keepdims=True)
        std = np.sqrt(var + x.dtype.type(EPS))
        x_hat = (x - mean) / std
        return (self.gamma * x_hat + self.beta).reshape(self.shape), mean, std, x_hat

    def forward(self):
        """Return y."""
        return self.run()[0]

    def both(self):
        """Return y, dx, dgamma."""
        y, mean, std, x_hat = self.run()
        x, dout, over = self.x, self.dout, {"axis": self.axes, "keepdims": True}
        m = math.prod([x.shape[axis] for axis in self.axes])
        dout.sum(axis=self.shared)  # dbeta
        dgamma = (dout * x_hat).sum(axis=self.shared)
        dx_hat = dout * self.gamma
        dvar = -0.5 * (dx_hat * (x - mean)).sum(**over) / std**3
        dmean = -(dx_hat / std).sum(**over)
        dx = dx_hat / std + dvar * 2 * (x - mean) / m + dmean / m
        return y, dx.reshape(self.shape), dgamma.ravel()


class Native:
    """PyTorch's kernels, without autograd.

    Batch norm's writes into memory that is there already. Those of layer and group norm
    have no such form that is public: they allocate their results.
    """

    def __init__(self, case, x, gamma, beta, dout):
        self.x, self.gamma, self.beta, self.dout = map(
            torch.from_numpy, (x, gamma, beta, dout)
        )
        n, c, *spatial = case.shape
        self.sizes = n, c, math.prod(spatial), case.num_groups
        self.run = getattr(self, case.norm)
        self.run_back = getattr(self, f"{case.norm}_back")
        if case.norm == "batch":
            self.y, self.dx = torch.empty_like(self.x), torch.empty_like(self.x)
            self.mean, self.inv_std, self.dgamma, self.dbeta = torch.empty(4, c)

    def forward(self):
        """Return y."""
        return self.run()[0]

    def both(self):
        """Return y, dx, dgamma."""
        y, mean, inv_std = self.run()
        return y, *self.run_back(mean, inv_std)[:2]

    def batch(self):
        """Return y, mean, inv_std."""
        return torch.ops.aten.native_batch_norm.out(
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

    def batch_back(self, mean, inv_std):
        """Return dx, dgamma, dbeta."""
        return torch.ops.aten.native_batch_norm_backward.out(
            self.dout,
            self.x,
            self.gamma,
            None,
            None,
            mean,
            inv_std,
            True,
            EPS,
            [True] * 3,
            out0=self.dx,
            out1=self.dgamma,
            out2=self.dbeta,
        )

    def layer(self):
        """Return y, mean, inv_std."""
        return torch.ops.aten.native_layer_norm(
            self.x, self.gamma.shape, self.gamma, self.beta, EPS
        )

    def layer_back(self, *stats):
        """Return dx, dgamma, dbeta."""
        gamma, beta = self.gamma, self.beta
        return torch.ops.aten.native_layer_norm_backward(
            self.dout, self.x, gamma.shape, *stats, gamma, beta, [True] * 3
        )

    def group(self):
        """Return y, mean, inv_std."""
        return torch.ops.aten.native_group_norm(
            self.x, self.gamma, self.beta, *self.sizes, EPS
        )

    def group_back(self, *stats):
        """Return dx, dgamma, dbeta."""
        return torch.ops.aten.native_group_norm_backward(
            self.dout, self.x, *stats, self.gamma, *self.sizes, [True] * 3
        )


KINDS = {"ours": Ours, "torch": Native, "textbook": Textbook}


def seconds(call):
    """Return how long one call takes; what it returns is given back at once."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def race(one, other, rounds):
    """Run two functions in turn; return the ratio of their median times.

    Never three: textbook NumPy gives so much memory back to the system that whoever
    comes next pays for new pages.
    """
    times = [], []
    for turn in range(rounds + 1):
        for call, record in zip((one, other), times, strict=True):
            found = seconds(call)
            if turn:  # the first turn warms up
                record.append(found)
    return median(times[0]) / median(times[1])


def ratios(case, direction):
    """Return the times of ours and of the textbook in units of PyTorch's.

    A kernel that allocates its results has two speeds: the C library hands out the
    pages that the call before gave back, or asks the system for new ones, whose first
    use can cost more than the arithmetic. Which of the two depends on all that was
    allocated before. For group norm with backward (results of 25 MB) it changes the
    ratio threefold from run to run.
    """
    arrays = draw(case)
    calls = {
        name: getattr(kind(case, *arrays), direction) for name, kind in KINDS.items()
    }
    return [
        race(calls[name], calls["torch"], case.rounds) for name in ("ours", "textbook")
    ]


def peak(call):
    """Return the most bytes that NumPy held at a time beyond those before."""
    tracemalloc.start()
    try:
        kept = call()
        del kept
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def errors(case, mean_to_std=1e4):
    """Return max|a - a64| / max|a64| over y, dx and dgamma, for each kind."""
    arrays = draw(case, mean_to_std)
    exact = Textbook(case, *(a.astype("f8") for a in arrays)).both()
    return {
        name: max(
            float(np.abs(np.asarray(a) - b).max() / np.abs(b).max())
            for a, b in zip(kind(case, *arrays).both(), exact, strict=True)
        )
        for name, kind in KINDS.items()
    }
