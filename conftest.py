import os
import tempfile
from pathlib import Path

from tools.notebooks import kernel_environment


def pytest_configure(config):
    # No test and no kernel of a test may touch what the user has done so far.
    folder = tempfile.TemporaryDirectory()
    config.add_cleanup(folder.cleanup)
    os.environ["BNLEARN_PROGRESS_FILE"] = str(Path(folder.name, "progress.json"))
    # nbval's kernels inherit the environment of pytest. They shall run as the kernels
    # do that made the stored outputs; only the seed can be set from outside.
    if config.option.nbval or config.option.nbval_lax:
        os.environ.pop("MPLBACKEND", None)
        os.environ.update(kernel_environment(os.environ.get("BNLEARN_SEED", "0")))
