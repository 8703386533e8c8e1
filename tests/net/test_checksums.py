import pytest

from ribospace.net.checksums import published_checksum

MD5, SHA = "0123456789abcdef" * 2, "fedcba9876543210" * 4
URL = "http://host/f/a.gz"


@pytest.mark.parametrize(
    ("place", "text", "expected"),
    [
        ("a.gz.md5", MD5, MD5),
        ("a.gz.md5", f"{MD5}\n", MD5),
        ("a.gz.md5", f"{MD5.upper()}  a.gz\n", MD5),
        ("a.gz.md5", f"MD5 (a.gz) = {MD5}", MD5),
        ("a.gz.sha256", SHA, SHA),
        ("MD5SUMS", f"{SHA[:32]}  b.gz\n{MD5} *./a.gz\n", MD5),
        ("md5sum.txt", f"{MD5}  /home/release/f/a.gz", MD5),
        ("sha256sum.txt", f"{SHA}  a.gz", SHA),
        # another file's, or no checksum at all
        ("MD5SUMS", f"{MD5}  ba.gz\n{MD5}  a.gz.tbi\n", None),
        ("MD5SUMS", MD5, None),
        ("a.gz.md5", "<html>no such page</html>", None),
        ("a.gz.md5", SHA, None),
        ("a.gz.md5", "", None),
    ],
)
def test_ways_of_publishing(place, text, expected):
    found = published_checksum({f"http://host/f/{place}": text}.get, URL)
    assert (found.digest if found else None) == expected


def test_a_query_stays():
    found = published_checksum({f"{URL}.md5?key=1": MD5}.get, f"{URL}?key=1")
    assert found is not None
    assert found.digest == MD5
