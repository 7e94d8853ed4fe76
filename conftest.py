import os

from tools.notebooks import kernel_environment


def pytest_configure(config):
    # nbval's kernels inherit the environment of pytest. They shall run as the kernels
    # do that made the stored outputs; only the seed can be set from outside.
    if config.option.nbval or config.option.nbval_lax:
        os.environ.pop("MPLBACKEND", None)
        os.environ.update(kernel_environment(os.environ.get("BNLEARN_SEED", "0")))
