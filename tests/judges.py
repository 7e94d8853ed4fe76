"""What the outside judges share: they are loaded and leave no other trace.

The judges are samples that others wrote for their own norms: `test_judges_torch.py` runs
those of PyTorch, `test_judges_onnx.py` those of ONNX.
"""

import os
import random
import re
import subprocess
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def undisturbed():
    """Put back what the judges set for themselves while they are loaded.

    torch.testing._internal loads a Hypothesis profile of its own (10 examples), adds
    filters of warnings and sets an environment variable. Both judges seed the global
    random generators. One thing stays: flags such as torch.backends.cudnn.benchmark can
    be set in a `with` block only from then on; nothing here sets any.
    """
    profile = hypothesis.settings.get_current_profile_name()
    environment = dict(os.environ)
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        with warnings.catch_warnings():
            torch.manual_seed(0)  # not all of PyTorch's samples seed themselves
            yield
    finally:
        hypothesis.settings.load_profile(profile)
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def what_is_global():
    """Describe the settings that other tests rely on."""
    return {
        "profile": hypothesis.settings.get_current_profile_name(),
        "examples": hypothesis.settings().max_examples,
        "environment": dict(os.environ),
        "warnings": list(warnings.filters),
        "random": random.getstate(),
        "numpy.random": str(np.random.get_state()),
        "numpy errors": np.geterr(),
        "torch.random": torch.get_rng_state().tolist(),
        "dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
    }


def assert_no_trace(imports, call):
    """Run a judge in a new process, where it is loaded for the first time."""
    code = f"""
{imports}
from hypothesis import settings
from tests import judges
settings.register_profile("ours", max_examples=7)
settings.load_profile("ours")
before = judges.what_is_global()
{call}
after = judges.what_is_global()
print([name for name in before if before[name] != after[name]])
"""
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, text=True, cwd=ROOT).strip() == "[]"


def assert_refused(call, starts, says=""):
    """Expect a TypeError or ValueError that names the operation and the problem."""
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    message = str(caught.value)
    assert re.match(rf"{starts}\w*: expected .*\bgot\b", message), message
    assert says in message, message
