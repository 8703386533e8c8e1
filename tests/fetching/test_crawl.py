"""Reading a growing list: whatever comes in between, fails or is killed, nothing is lost and nothing comes twice."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribospace.errors import Unavailable
from ribospace.fetching.coverage import Coverage
from ribospace.fetching.crawl import MOST_FAILURES, Crawl


class Listing:
    """A list of entries, newest first, that changes as it is asked."""

    def __init__(self, count, seed=0, arrive=0.0, fail=0.0, leave=0.0, broken=()):
        self.ids = [f"URS{number:05}" for number in range(count, 0, -1)]
        self.random, self.arrive, self.fail, self.leave, self.broken = random.Random(seed), arrive, fail, leave, broken
        self.asked = []

    def __call__(self, number, size):
        self.asked.append((number, size))
        if self.random.random() < self.arrive and len(self.asked) < 150:
            newest = int(self.ids[0][3:]) if self.ids else 0
            self.ids = [f"URS{newest + n:05}" for n in range(self.random.randint(1, 2 * size), 0, -1)] + self.ids
        if self.random.random() < self.leave and len(self.asked) < 150 and len(self.ids) > 1:
            self.ids.pop(self.random.randrange(1, len(self.ids)))
        page = [{"id": one} for one in self.ids[(number - 1) * size : number * size]]
        if self.random.random() < self.fail or any(item["id"] in self.broken for item in page if size > 1):
            raise Unavailable("HTTP 500")
        return page


def read(listing, coverage=None, **options):
    crawl = Crawl(listing, coverage or Coverage(), page_size=options.pop("page_size", 5), **options)
    got = [item["id"] for page in crawl.read() for item in page]
    return crawl, got


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 10, 11, 159, 160, 161, 500])
def test_all_of_it_once_and_in_order(count):
    listing = Listing(count)
    crawl, got = read(listing)
    assert got == listing.ids
    assert crawl.finished
    assert crawl.missing() == []
    again, more = read(listing, crawl.coverage)
    assert more == []
    assert again.finished


def test_ends_at_the_empty_page_and_asks_few_pages_twice():
    listing = Listing(1000)
    read(listing, page_size=10)
    pages = [number for number, size in listing.asked if size == 10]
    assert max(pages) <= 100 + 32
    assert len(pages) < 100 + 32 + 12


@given(st.integers(0, 120), st.integers(0, 10**6), st.floats(0, 0.5), st.integers(1, 4), st.integers(2, 9))
def test_nothing_lost_while_new_ones_arrive(count, seed, arrive, at_once, size):
    listing = Listing(count, seed, arrive)
    crawl, got = read(listing, at_once=at_once, page_size=size)
    assert len(got) == len(set(got))
    assert set(got) == set(listing.ids)
    assert crawl.finished


@given(st.integers(1, 150), st.integers(0, 10**6), st.lists(st.integers(0, 6), max_size=6), st.integers(2, 9))
def test_killed_and_resumed_while_new_ones_arrive(count, seed, stops, size):
    listing, coverage, got = Listing(count, seed, 0.2), Coverage(), []
    for stop in [*stops, None]:
        crawl = Crawl(
            listing, Coverage.from_json(json.loads(json.dumps(coverage.to_json()))), page_size=size, at_once=2
        )
        for number, page in enumerate(crawl.read()):
            if number == stop:
                break  # killed before this page was written
            got += [item["id"] for item in page]
            coverage = Coverage.from_json(crawl.coverage.to_json())
        else:
            coverage = crawl.coverage
        listing.arrive = 0.0 if stop is None else 0.2
    assert set(got) <= set(listing.ids)
    crawl, more = read(listing, coverage, page_size=size)
    assert len(got + more) == len(set(got + more))
    assert set(got + more) == set(listing.ids)


@given(st.integers(1, 150), st.integers(0, 10**6), st.floats(0, 0.4), st.integers(2, 9))
def test_what_failed_is_had_by_the_next_run(count, seed, fail, size):
    listing, got, coverage = Listing(count, seed, 0.1, fail), [], Coverage()
    for _ in range(4):
        crawl = Crawl(listing, coverage, page_size=size, at_once=3)
        try:
            for page in crawl.read():
                got += [item["id"] for item in page]
        except Unavailable:
            continue
        if not crawl.finished:
            assert crawl.missing()[0]["reason"]
    listing.fail = listing.arrive = 0.0
    crawl, more = read(listing, coverage, page_size=size)
    assert sorted(got + more, reverse=True) == listing.ids
    assert crawl.finished


@given(st.integers(1, 120), st.integers(0, 10**6), st.lists(st.integers(0, 5), max_size=4))
def test_entries_that_leave_hide_nothing_that_stays_for_good(count, seed, stops):
    """Between runs entries may leave the list: then all that is still there comes in."""
    listing, coverage, got = Listing(count, seed), Coverage(), []
    for stop in [*stops, None]:
        crawl = Crawl(listing, coverage, page_size=5, at_once=1)
        for number, page in enumerate(crawl.read()):
            got += [item["id"] for item in page]
            if number == stop:
                break
        keep = listing.random
        listing.ids = [one for one in listing.ids if keep.random() < 0.8 or one == listing.ids[0]]
    _, more = read(listing, coverage)
    assert set(listing.ids) <= set(got + more)
    assert len(got + more) == len(set(got + more))


@pytest.mark.parametrize("broken", ["URS00100", "URS00060", "URS00001"])
def test_a_page_that_always_fails_costs_no_other(broken):
    listing = Listing(100, broken=(broken,))
    crawl, got = read(listing)
    page = (100 - int(broken[3:])) // 5 + 1
    assert got == [one for place, one in enumerate(listing.ids) if place // 5 + 1 != page]
    assert not crawl.finished
    assert f"page {page}: HTTP 500" in crawl.missing()[0]["reason"]
    again, more = read(listing, crawl.coverage)
    assert more == []
    assert not again.finished
    listing.broken = ()
    mended, more = read(listing, again.coverage)
    assert sorted(got + more, reverse=True) == listing.ids
    assert mended.finished
    assert mended.missing() == []


def test_the_page_is_found_again_when_others_have_pushed_it_on():
    listing = Listing(2000, broken=("URS01000",))
    crawl, got = read(listing, page_size=10)
    listing.broken = ()
    listing.ids = [f"URS{number:05}" for number in range(2777, 2000, -1)] + listing.ids
    listing.asked.clear()
    again, more = read(listing, crawl.coverage, page_size=10)
    assert sorted(got + more, reverse=True) == listing.ids
    assert again.finished
    assert len(listing.asked) < 777 / 10 + 60


def test_a_dead_server_is_not_asked_for_ever():
    class Dead(Listing):
        def __call__(self, number, size):
            if size > 1 and len(self.asked) > 10:
                self.asked.append((number, size))
                raise Unavailable("HTTP 503")
            return super().__call__(number, size)

    listing = Dead(10_000)
    with pytest.raises(Unavailable):
        read(listing)
    assert len(listing.asked) < 10 + 3 * MOST_FAILURES


@pytest.mark.parametrize("most", [1, 4, 5, 6, 37, 100, 500])
def test_a_limit_is_kept_over_runs(most):
    listing = Listing(100)
    crawl, got = read(listing, most=most)
    assert got == listing.ids[:most]
    assert crawl.finished
    assert read(listing, crawl.coverage, most=most)[1] == []
    assert read(listing, crawl.coverage, most=most + 7)[1] == listing.ids[most : most + 7]


def test_a_limit_leaves_room_for_what_failed():
    listing = Listing(100, broken=("URS00090",))
    crawl, got = read(listing, most=50)
    assert len(got) == 45
    assert not crawl.finished
    listing.broken = ()
    crawl, more = read(listing, crawl.coverage, most=50)
    assert sorted(got + more, reverse=True) == listing.ids[:50]
    assert crawl.finished


def test_a_list_without_order_is_read_whole_each_time():
    listing = Listing(43)
    random.Random(1).shuffle(listing.ids)
    crawl, got = read(listing)
    assert set(got) == set(listing.ids)
    assert crawl.finished
    assert set(read(listing, crawl.coverage)[1]) == set(listing.ids)
    listing.broken = (listing.ids[20],)
    crawl, got = read(listing)
    assert set(listing.ids) - set(got) == set(listing.ids[20:25])
    assert not crawl.finished
    assert "page 5" in crawl.missing()[0]["reason"]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)), max_size=25))
def test_coverage_is_the_union_of_its_pieces(pieces):
    ids = [f"URS{number:05}" for number in range(70, 0, -1)]
    coverage, seen = Coverage(), set()
    for start, length in pieces:
        piece = ids[start : start + length]
        assert coverage.add(piece, start) == len(set(piece) - seen)
        seen |= set(piece)
        assert coverage.count == len(seen)
        assert {one for one in ids if coverage.holds(one)} == seen
        for one in coverage.stretches:
            assert ids[one.end - 1] == one.oldest
            assert ids[one.end - one.count] == one.newest
        edges = [edge for one in coverage.stretches for edge in (one.newest, one.oldest)]
        assert edges == sorted(edges, reverse=True)
    assert Coverage.from_json(json.loads(json.dumps(coverage.to_json()))) == coverage


def test_a_raised_limit_after_new_entries_have_come():
    listing = Listing(300)
    crawl, got = read(listing, most=10)
    listing.ids = [f"URS{number:05}" for number in range(400, 300, -1)] + listing.ids
    for most in (30, 60, 200):
        crawl, more = read(listing, crawl.coverage, most=most)
        got += more
        assert len(got) == len(set(got)) == most
        assert crawl.finished
    crawl, more = read(listing, crawl.coverage)
    assert sorted(got + more, reverse=True) == listing.ids
