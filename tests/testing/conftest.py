from __future__ import annotations

from collections.abc import Iterator

import pytest

from fusetree.testing import PathClient
from tests.testing.fake_server import FakeServer


@pytest.fixture
def server() -> Iterator[FakeServer]:
    server = FakeServer()
    yield server
    server.close()


@pytest.fixture
def client(server: FakeServer) -> Iterator[PathClient]:
    client = PathClient(server.client_end, timeout=5)
    client.finish_init(client.send_init())
    yield client
    client.connection.close()
    with client.kernel.lock:
        client.kernel.check()
