from __future__ import annotations

import socket
from ipaddress import ip_address

import pytest

from app.tools.address import authority, is_public, reachable, resolved
from app.tools.errors import ToolFailed


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101", "::ffff:8.8.8.8", "2002:808:808::1"]
)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.9.9.9",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::101:101",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:c0a8:1::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_addresses_of_machines_networks_and_groups_are_not(address: str) -> None:
    assert not is_public(ip_address(address))


def test_a_host_is_reached_at_the_addresses_that_were_looked_up_once() -> None:
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["1.1.1.1", "2606:4700::1111"]

    assert reachable("pages.example", 443, frozenset(), resolve) == ["1.1.1.1", "2606:4700::1111"]
    assert asked == ["pages.example"]


@pytest.mark.parametrize("found", [["127.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["2606:4700::1111", "::1"]])
def test_a_host_with_any_private_address_is_refused(found: list[str]) -> None:
    with pytest.raises(ToolFailed, match=r"The host pages.example is not on the public internet"):
        reachable("pages.example", 443, frozenset(), lambda host, port: found)


def test_what_an_operator_allows_may_be_private_on_just_that_port() -> None:
    allowed = frozenset({"127.0.0.1:9000", "[::1]:9000"})
    assert reachable("127.0.0.1", 9000, allowed, resolved) == ["127.0.0.1"]
    assert reachable("::1", 9000, allowed, lambda host, port: ["::1"]) == ["::1"]
    with pytest.raises(ToolFailed, match="not on the public internet"):
        reachable("127.0.0.1", 80, allowed, resolved)


def test_ports_that_are_not_the_webs_are_refused_before_anything_is_looked_up() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise AssertionError("looked up")

    with pytest.raises(ToolFailed, match=r"Port 22 is not fetched from; allowed are 80, 443, 8080, 8443."):
        reachable("pages.example", 22, frozenset(), resolve)


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), OSError("down"), UnicodeError("label too long")])
def test_a_host_that_is_not_found_is_said_so(error: Exception) -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise error

    with pytest.raises(ToolFailed, match=r"The host pages.example was not found."):
        reachable("pages.example", 443, frozenset(), resolve)


@pytest.mark.parametrize("spelling", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "localhost"])
def test_no_spelling_of_this_machine_gets_through(spelling: str) -> None:
    with pytest.raises(ToolFailed, match="not on the public internet"):
        reachable(spelling, 80, frozenset(), resolved)


def test_an_authority_is_written_as_operators_write_it() -> None:
    assert authority("Wiki.Example", 8080) == "wiki.example:8080"
    assert authority("::1", 80) == "[::1]:80"
