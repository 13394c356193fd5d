"""Whatever the packet: a value or a named error, in bounded time and memory, and no crash."""

from __future__ import annotations

import os

import pytest

from tests.fuzz import bombs, mutations, readers, seeds, watch

SEED = 20_261_121

QUICK = 300
"""Mutants of each kind in the default suite: 4,800 in some 10 s."""

THOROUGH = 1_800
"""Mutants of each kind in the slow one, notices excepted: 10,800 of real packets, of six kinds."""

OF_NOTICES = int(os.environ.get("CORRELATOR_FUZZ_MUTANTS", "12000"))
"""Mutants of notices in the slow suite, half of them of real ones; 200,000 take half an hour."""

SHARES = {"voevent": 0.4, "gcn": 0.3, "igwn": 0.2, "fits": 0.1}
"""What part of them is of each kind; ``fits`` are their maps."""

OTHERS = [kind for kind in seeds.KINDS if kind not in SHARES]


@pytest.fixture(scope="module")
def quick():
    jobs = [watch.mutant_job(kind, SEED, QUICK, None) for kind in seeds.KINDS]
    return watch.run([*jobs, watch.bomb_job(bombs.QUICK)])


@pytest.mark.parametrize("kind", seeds.KINDS)
def test_a_mutant_ends_as_a_value_or_as_a_named_error(quick, kind):
    check(kind, quick[kind], QUICK)


def test_a_small_packet_cannot_become_a_large_burden(quick):
    check_bombs(quick["bombs"], bombs.QUICK)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_packet_of_100_mb_and_no_bomb_goes_over_the_bounds():
    check_bombs(watch.run([watch.bomb_job(bombs.BOMBS)])["bombs"], bombs.BOMBS)


def check_bombs(report, names):
    print("\n".join(report.lines))
    print(f"at most {report.growth_bytes / 2**20:.0f} MiB: {report.largest}")
    assert not report.failures, "\n".join(report.failures)
    assert report.n == len(names)
    assert report.accepted & bombs.OF_NOTICES == bombs.SOUND & set(names)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_thousands_of_mutants_end_as_values_or_as_named_errors():
    reports = watch.run([watch.mutant_job(kind, SEED + 1, THOROUGH, None) for kind in OTHERS])
    assert sum(report.n for report in reports.values()) >= 10_000
    for kind, report in reports.items():
        check(kind, report, THOROUGH)


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.timeout(900)
def test_thousands_of_mutants_of_real_packets_do_too(real_data):
    kinds = [kind for kind in OTHERS if seeds.real(kind, str(real_data))]
    jobs = [watch.mutant_job(kind, SEED + 2, THOROUGH, str(real_data)) for kind in kinds]
    reports = watch.run(jobs)
    assert sum(report.n for report in reports.values()) >= 10_000
    for kind, report in reports.items():
        check(kind, report, THOROUGH)


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.timeout(max(900, OF_NOTICES // 20))
def test_mutants_of_notices_are_refused_or_hold_what_is_written_in_range(real_data):
    """Each within a second; ``CORRELATOR_FUZZ_MUTANTS=200000`` is the long form."""
    n_read = 0
    for real in (None, str(real_data)):
        counts = {kind: round(OF_NOTICES * share / 2) for kind, share in SHARES.items()}
        jobs = [watch.mutant_job(kind, SEED + 3, n, real) for kind, n in counts.items()]
        for kind, report in watch.run(jobs).items():
            check(kind, report, counts[kind])
            n_read += report.n
    assert n_read == OF_NOTICES


def check(kind, report, n):
    print(f"{kind}: {report}")
    assert not report.failures, "\n".join(report.failures[:5])
    assert report.n == n
    # Both ends are reached: mutants that are all refused would test the front door only.
    assert report.values > 0
    assert report.refused > n / 2
    assert len(report.rules) > 5


@pytest.mark.parametrize("kind", seeds.KINDS)
def test_what_mutants_are_made_of_is_sound(kind, tmp_path):
    for packet in seeds.made(kind):
        values, rules = readers.read(kind, packet, tmp_path)
        assert values > 0
        assert not rules


@pytest.mark.parametrize("kind", ["voevent", "gcn", "fits", "ztf", "parquet_file"])
def test_the_same_seed_and_index_make_the_same_mutant(kind):
    first, second = (
        [mutations.mutant(fresh, kind, 7, index) for index in range(50)]
        for fresh in (seeds.made(kind), seeds.made.__wrapped__(kind))
    )
    assert first == second
    assert len(set(first)) > 40


def test_a_mutant_that_is_never_finished_is_named(monkeypatch):
    monkeypatch.setattr(watch, "MAX_PACKET_S", 0.2)
    report = run_broken(b"hang", b"value")
    assert report.n == 2
    assert report.failures[0].startswith("packet hang: no answer")
    assert report.values == 1


def test_a_mutant_that_kills_the_process_is_named():
    report = run_broken(b"refuse", b"die", b"value")
    assert report.failures[0].startswith("packet die: the process died (-11)")
    assert (report.n, report.values, report.refused) == (3, 1, 1)


def test_a_mutant_that_fills_the_memory_or_raises_what_it_may_not_is_named(monkeypatch):
    monkeypatch.setattr(watch, "MAX_GROWTH_BYTES", 50 * 2**20)
    report = run_broken(b"fill", b"raise", b"value")
    full, raised = report.failures
    assert full.endswith("MiB of memory")
    assert raised.startswith("packet raise: ZeroDivisionError: nobody catches this")


def run_broken(*packets):
    return watch.run([watch.packet_job("broken", packets)])["broken"]
