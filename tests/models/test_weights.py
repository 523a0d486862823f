"""Names of downloaded files."""

from __future__ import annotations

import pytest

from zoo.models.weights import last_part


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://host/a/net.pth?download=1", "net.pth"),
        ("https://host/a/..%2f..%2f..%2fnet.pth", "net.pth"),
        ("https://host/a/%2e%2e", ""),
        ("https://host/a/..", ""),
        ("https://host/", ""),
        ("https://host/net%00.pth", ""),
        ("https://host/net%1b[31m.pth", ""),
        ("https://host/" + "n" * 300, ""),
    ],
)
def test_the_last_part_of_an_address_stays_in_its_folder_and_is_a_name_that_files_have(address, name):
    assert last_part(address) == name
