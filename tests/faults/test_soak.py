"""The soak of `ribospace serve` in small: some seconds of every route, rude clients, and a collection that grows."""

import pytest

SECONDS, CLIENTS = 20.0, 4
#: An idle connection is a file; of threads there are those of requests, of jobs and of Lance, all with limits.
FILES, THREADS = 4 * CLIENTS + 16, 16


@pytest.mark.slow
def test_a_short_soak(tmp_path):
    pytest.importorskip("uvicorn", reason="serving needs pip install 'ribospace[web]'")
    from benchmarks.soak import soak

    said = soak(tmp_path, SECONDS, CLIENTS)
    assert said["unexpected"] == 0, said["unexpected_first"]
    assert not [status for status in said["statuses"] if status.startswith("5")], said["statuses"]
    assert said["requests"] > 20
    grown = said["growth_after_warm_up"]
    assert grown["open_files"]["last"] - grown["open_files"]["first"] <= FILES, grown
    assert grown["threads"]["last"] - grown["threads"]["first"] <= THREADS, grown
    assert said["molecules_at_the_end"] > 404
