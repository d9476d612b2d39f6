r"""pytest fixtures: a factory of clients that are checked and closed at the end of the test.

In a project's ``conftest.py``::

    pytest_plugins = ["fusetree.testing.pytest_plugin"]

    def test_motto(fuse_client):
        client = fuse_client({"motto": "do good\n"}) assert client.read_text("motto") == "do good\n"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, TypeAlias

import pytest

from fusetree.testing.client import Client

__all__ = ["ClientFactory", "fuse_client"]

ClientFactory: TypeAlias = Callable[..., Client]


@pytest.fixture
def fuse_client() -> Iterator[ClientFactory]:
    """Makes `Client(root, **options)`; each is verified (`Client.check`) and closed when the test is over."""
    with ExitStack() as stack:

        def make(root: Any, **options: Any) -> Client:
            client = stack.enter_context(Client(root, **options))
            stack.callback(_check_if_open, client)
            return client

        yield make


def _check_if_open(client: Client) -> None:
    if client.connection.connected:
        client.check()
