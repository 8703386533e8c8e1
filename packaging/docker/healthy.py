"""Whether the container is well: where `ribospace serve` runs it has to answer; anything else is well while it runs."""

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

ADDRESS = os.environ.get("RIBOSPACE_HEALTH", "http://127.0.0.1:8765/api/health")


def main() -> int:
    """0 if it is well, else 1."""
    if b"serve" not in Path("/proc/1/cmdline").read_bytes().split(b"\0"):
        return 0
    try:
        urllib.request.urlopen(ADDRESS, timeout=4)
    except urllib.error.HTTPError as error:
        return int(error.code not in (401, 403))  # a token is asked for: somebody answers
    except OSError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
