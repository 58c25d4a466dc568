"""Which URLs and addresses webhooks may go to."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from redisq_api.webhooks.addresses import MAX_LENGTH, PUBLIC, BadURL, Reach, Target, parse


@pytest.mark.parametrize(
    ("url", "target", "authority"),
    [
        ("http://a.example", Target("http", "a.example", 80, "/"), "a.example"),
        ("HTTPS://A.Example/x/?y=1&z", Target("https", "a.example", 443, "/x/?y=1&z"), "a.example"),
        ("https://a.example:8443/x", Target("https", "a.example", 8443, "/x"), "a.example:8443"),
        ("https://a.example:443", Target("https", "a.example", 443, "/"), "a.example"),
        ("http://a.example?x", Target("http", "a.example", 80, "/?x"), "a.example"),
        ("http://localhost:1/", Target("http", "localhost", 1, "/"), "localhost:1"),
        ("http://my_app.web1:65535/", Target("http", "my_app.web1", 65535, "/"), "my_app.web1:65535"),
        ("http://8.8.8.8/", Target("http", "8.8.8.8", 80, "/"), "8.8.8.8"),
        ("http://xn--bcher-kva.example./", Target("http", "xn--bcher-kva.example.", 80, "/"), "xn--bcher-kva.example."),
    ],
)
def test_good_urls(url: str, target: Target, authority: str) -> None:
    assert parse(url) == target
    assert parse(url).authority == authority


@pytest.mark.parametrize(
    "url",
    [
        "", "a.example", "//a.example/", "ftp://a.example/", "file:///etc/passwd", "gopher://a.example/", "http://",
        "http:///x", "http:a.example", "http://a.example:0/", "http://a.example:65536/", "http://a.example:/",
        "http://a.example:80:80/", "http://user@a.example/", "http://user:pass@a.example/", "http://a.example#x",
        "http://a.example/#x", "http://a.example/ x", "http://a.example/\r\nx: y", "http://a.example/\n",
        "http://a.example\\@b.example/", "http://a.example/é", "http://bücher.example/", "http://.example/",
        "http://a..example/", "http://-a.example/", f"http://{'a' * 64}.example/", " http://a.example/",
        # numbers in other spellings, which a resolver may read as addresses
        "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://127.1/", "http://0177.0.0.1/",
        "http://127.0.0.1./", "http://256.1.1.1/", "http://a.0x7f/", "http://1.2.3.4.5/",
        "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://a.example/" + "x" * MAX_LENGTH,
    ],
)  # fmt: skip
def test_bad_urls(url: str) -> None:
    with pytest.raises(BadURL):
        parse(url)


PRIVATE = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1",
    "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255", "168.63.129.16",
    "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1",
    "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:0:4136:e378::1", "2001:db8::1",
    "2002:7f00:1::", "2002:808:808::1",
    "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
]  # fmt: skip
OF_ALL = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "192.0.1.1", "2606:4700:4700::1111", "2a00:1450::1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public_is_refused(address: str) -> None:
    assert not PUBLIC.has(address)


@pytest.mark.parametrize("address", OF_ALL)
def test_what_is_public(address: str) -> None:
    assert PUBLIC.has(address)


def test_what_the_setting_allows() -> None:
    reach = Reach([ip_network("10.1.0.0/16"), ip_network("::1/128")])
    assert reach.has("10.1.2.3")
    assert reach.has("::1")
    assert reach.has("8.8.8.8")
    assert not reach.has("10.2.0.1")
    assert not reach.has("127.0.0.1")
    assert not reach.has("::ffff:10.1.2.3")


def test_a_url_with_an_address_is_known_by_itself() -> None:
    assert PUBLIC.check("http://8.8.8.8/").host == "8.8.8.8"
    assert PUBLIC.check("http://localhost/").host == "localhost", "only its address can tell"
    with pytest.raises(BadURL, match="not a public one"):
        PUBLIC.check("http://10.0.0.1/")
    assert Reach([ip_network("10.0.0.0/8")]).check("http://10.0.0.1/").host == "10.0.0.1"
