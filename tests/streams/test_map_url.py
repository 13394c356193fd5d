"""Which URLs and addresses are asked for a map; the rest is refused by name."""

import pytest

from correlator.errors import MalformedNoticeError
from ingest_vo.reader import to_notice
from streams.map_url import MAP_HOSTS, MapRefusedError, checked_redirect, checked_url, is_public

H = "heasarc.gsfc.nasa.gov"
SECURE, USER = "by https", "names no user"
LISTED = "must be on the list of hosts"
CHARACTERS = "characters of RFC 3986"


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        (f"https://{H}/a/b.fit", f"https://{H}/a/b.fit"),
        (f"http://{H}/a/b.fit", f"https://{H}/a/b.fit"),
        (f"https://{H}:443/a.fit?x=1", f"https://{H}/a.fit?x=1"),
        (f"https://{H}", f"https://{H}/"),
        (f"https://{H}?x", f"https://{H}/?x"),
        (
            "https://gracedb.ligo.org/api/superevents/MS1a/files/bayestar.multiorder.fits,1",
            "https://gracedb.ligo.org/api/superevents/MS1a/files/bayestar.multiorder.fits,1",
        ),
        (f"https://{H}/..%2f..%2fetc", f"https://{H}/..%2f..%2fetc"),
    ],
)
def test_what_is_asked_is_asked_by_https(url, asked):
    assert checked_url(url, MAP_HOSTS) == asked


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("file:///etc/passwd", SECURE),
        ("FILE:///etc/passwd", SECURE),
        ("ftp://heasarc.gsfc.nasa.gov/a.fit", SECURE),
        ("gopher://127.0.0.1:6379/_FLUSHALL", SECURE),
        (f"HTTPS://{H}/a.fit", SECURE),
        (f"//{H}/a.fit", SECURE),
        ("", SECURE),
        ("http://169.254.169.254/latest/meta-data/", LISTED),
        ("https://169.254.169.254/", LISTED),
        ("https://2852039166/", LISTED),
        ("https://0xa9fea9fe/", LISTED),
        ("https://127.1/", LISTED),
        ("https://127.0.0.1/", LISTED),
        ("https://[::1]/", LISTED),
        ("https://[::ffff:127.0.0.1]/", LISTED),
        ("https://localhost/", LISTED),
        ("https:///a.fit", LISTED),
        (f"https://{H}./a.fit", LISTED),
        (f"https://{H.upper()}/a.fit", LISTED),
        (f"https://{H}:80/a.fit", LISTED),
        (f"https://{H}:0443/a.fit", LISTED),
        (f"https://{H}:8443/a.fit", LISTED),
        (f"https://{H}:/a.fit", LISTED),
        (f"http://{H}:80/a.fit", LISTED),
        (f"https://{H}.evil.example/a.fit", LISTED),
        (f"https://evil.example/{H}", LISTED),
        (f"https://evil.example?{H}/", LISTED),
        (f"https://x.{H}/a.fit", LISTED),
        (f"https://{H}:443:443/a.fit", LISTED),
        (f"https://{H.replace('a', '%61', 1)}/a.fit", LISTED),
        (f"https://user:secret@{H}/a.fit", USER),
        (f"https://{H}@evil.example/a.fit", USER),
        (f"https://evil.example:443@{H}/a.fit", USER),
        (f"https://evil.example\\@{H}/a.fit", CHARACTERS),
        (f"https://{H}\\.evil.example/", CHARACTERS),
        (f"https://{H}#@evil.example/", CHARACTERS),
        (f"https://{H}/a.fit#part", CHARACTERS),
        (f"https://{H}/a b.fit", CHARACTERS),
        (f"https://{H}/a\r\nHost: evil.example", CHARACTERS),
        (f"https://{H}/\0", CHARACTERS),
        (f"https://{H}/%zz", CHARACTERS),
        (f"https://{H}/é", CHARACTERS),
        ("https://heаsarc.gsfc.nasa.gov/", CHARACTERS),  # a Cyrillic а
        ("https://heasarc。gsfc.nasa.gov/", CHARACTERS),
        (f" https://{H}/a.fit", SECURE),
        (f"https:// {H}/a.fit", CHARACTERS),
        (f"https://{H}/" + "a" * 1000, "at most 1000 characters"),
    ],
)
def test_everything_else_is_refused_for_good_by_name(url, rule):
    with pytest.raises(MapRefusedError, match=rule) as refused:
        checked_url(url, MAP_HOSTS)
    assert refused.value.is_final
    assert refused.value.url == url


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        ("/b.fit", f"https://{H}/b.fit"),
        ("b.fit", f"https://{H}/a/b.fit"),
        ("https://gcn.gsfc.nasa.gov/b.fit", "https://gcn.gsfc.nasa.gov/b.fit"),
    ],
)
def test_a_redirect_leads_to_hosts_of_the_list(location, asked):
    assert checked_redirect(f"https://{H}/a/a.fit", location, MAP_HOSTS) == asked


@pytest.mark.parametrize(
    ("location", "rule"),
    [
        ("//evil.example/a.fit", LISTED),
        ("https://127.0.0.1/", LISTED),
        ("https://[::1]:8000/", LISTED),
        ("https://[::1", "lead to a URL|host"),
        (f"http://{H}/a.fit", SECURE),
        ("file:///etc/passwd", SECURE),
        ("javascript:alert(1)", SECURE),
        (f"https://user@{H}/", USER),
        ("/a#b", CHARACTERS),
    ],
)
def test_other_redirects_are_refused(location, rule):
    with pytest.raises(MapRefusedError, match=rule):
        checked_redirect(f"https://{H}/a/a.fit", location, MAP_HOSTS)


@pytest.mark.parametrize(
    "address", ["129.164.179.23", "8.8.8.8", "2001:4d0:2418:128::84", "64:ff9b::808:808"]
)
def test_public_addresses_are_taken(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255",
        "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "239.255.255.250", "240.0.0.1",
        "255.255.255.255", "192.0.2.1", "198.18.0.1", "203.0.113.5", "192.0.0.8",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1",
        "2001:db8::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1",
        "::127.0.0.1", "2002:7f00:1::", "2002:0808:0808::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1", "192.88.99.1", "3fff::1", "2001:2::1",
        "2001:0:7f00:1::1", "100::1", "4000::1", "2001:4860:4860::8888%eth0",
        "", "localhost", "1.1", "0x7f.0.0.1", "2130706433",
    ],
)  # fmt: skip
def test_no_other_address_is_connected_to(address):
    assert not is_public(address)


@pytest.mark.slow
@pytest.mark.real_data
def test_the_hosts_that_real_notices_name_are_on_the_list(real_data):
    refused, n = set(), 0
    for file in sorted(real_data.glob("n*/**/*.*")):
        if file.suffix not in (".xml", ".json"):
            continue
        try:
            notice = to_notice(file.read_bytes(), file.name)
        except MalformedNoticeError:
            continue
        if notice.skymap_url is None:
            continue
        n += 1
        try:
            checked_url(notice.skymap_url, MAP_HOSTS)
        except MapRefusedError:
            refused.add((notice.skymap_url, notice.is_test))
    assert n > 100
    # The map of the user guide, in its example that is no event.
    guide = "https://emfollow.docs.ligo.org/userguide/_static/bayestar.fits.gz"
    assert refused == {(guide, True)}
