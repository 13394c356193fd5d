"""The table of topics: names, limits and the rule that gives a key its partition."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.policy import Policy
from correlator.service.commands.topics import topic_row
from ingest_optical.avro import MAX_PACKET_BYTES as MAX_ALERT_PACKET_BYTES
from ingest_vo.reader import MAX_PACKET_BYTES as MAX_NOTICE_BYTES
from streams.topics import (
    DEAD_LETTER,
    NOTICES_RAW,
    OVERHEAD_BYTES,
    TOPICS,
    all_topics,
    partition_of,
)

PAGE = Path(__file__).parents[2] / "docs" / "operations" / "topics.md"


def crc32(data: bytes) -> int:
    """CRC-32 of ISO 3309, bit by bit."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0xEDB88320 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


@given(st.binary(max_size=60), st.integers(1, 64))
def test_the_partition_of_a_key_is_its_crc32_modulo_their_number(key, n):
    assert partition_of(key, n) == crc32(key) % n


def test_every_name_is_one_that_kafka_tells_from_the_others():
    names = [topic.name for topic in all_topics(Policy())]
    assert all(re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", name) for name in names)
    # In the names of its metrics a dot is an underscore.
    assert len({name.replace(".", "_") for name in names}) == len(names)


def test_every_science_case_has_its_list():
    policy = Policy()
    assert {t.name for t in all_topics(policy)} == {t.name for t in TOPICS} | {
        f"targets.{case.name}" for case in policy.cases
    }


def test_a_topic_takes_the_largest_that_may_come():
    assert NOTICES_RAW.max_message_bytes >= MAX_NOTICE_BYTES + OVERHEAD_BYTES
    assert DEAD_LETTER.max_message_bytes >= MAX_ALERT_PACKET_BYTES + OVERHEAD_BYTES


@pytest.mark.parametrize("topic", all_topics(Policy()), ids=lambda t: t.name)
def test_what_a_topic_takes_the_dead_letter_takes_too(topic):
    assert topic.max_message_bytes <= DEAD_LETTER.max_message_bytes <= 32 * 2**20 - OVERHEAD_BYTES


def test_the_page_for_operators_has_the_same_table():
    columns = ("name", "key", "partitions", "kept", "max_message_bytes", "value")
    rows = map(topic_row, all_topics(Policy()))
    wanted = [[str(row[name]) for name in columns] for row in rows]
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in lines] == wanted
