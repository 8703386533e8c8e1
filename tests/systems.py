"""What some tests need of the system they run on."""

import sys

import pytest


def posix_only(why: str) -> pytest.MarkDecorator:
    """Leave a test out on Windows, and say what it lacks there."""
    return pytest.mark.skipif(sys.platform == "win32", reason=f"not on Windows: {why}")
