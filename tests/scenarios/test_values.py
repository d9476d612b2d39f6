"""Values are read and written as files; a bad one is refused at once."""

from __future__ import annotations

import errno
import json
import os

import pytest

from fusetree import Dir
from fusetree.testing import Client, NotifyCode
from tests.scenarios.trees import Settings
from tests.support import raises_errno


def test_a_value_is_read_and_written() -> None:
    settings = Settings()
    with Client(Dir({"s": settings})) as client:
        assert client.read_text("s/jobs") == "3\n"
        assert client.stat("s/jobs").st_size == 2
        client.write("s/jobs", "12\n")
        assert settings.jobs == 12
        assert client.read_text("s/jobs") == "12\n"
        assert client.stat("s/jobs").st_size == 3
        settings.jobs += 1
        assert client.read_text("s/jobs") == "13\n"
        client.check()


@pytest.mark.parametrize(
    ("name", "bad"), [("jobs", "bad\n"), ("jobs", ""), ("ratio", "much"), ("level", "loud\n"), ("jobs", "\0")]
)
def test_a_bad_value_is_refused_at_once_and_the_old_one_stays(name: str, bad: str) -> None:
    settings = Settings()
    with Client(Dir({"s": settings})) as client:
        before = getattr(settings, name)
        text = client.read_text(f"s/{name}")
        with client.open(f"s/{name}", os.O_WRONLY | os.O_TRUNC) as file:
            if bad:
                with raises_errno(errno.EINVAL):
                    file.write(bad)  # the write itself, not the close
        assert getattr(settings, name) == before
        assert client.read_text(f"s/{name}") == text


def test_every_write_is_a_value() -> None:
    settings = Settings()
    with Client(Dir({"s": settings})) as client, client.open("s/jobs", "w") as file:
        file.pwrite(b"5\n", 0)
        assert settings.jobs == 5
        file.pwrite(b"6\n", 0)
        assert settings.jobs == 6
        with raises_errno(errno.EINVAL):
            file.pwrite(b"7\n", 1)
        assert settings.jobs == 6


def test_appending_stores() -> None:
    settings = Settings()
    with Client(Dir({"s": settings})) as client:
        client.write("s/jobs", "41\n", append=True)
        assert settings.jobs == 41
        client.write("s/level", "debug\n", append=True)
        assert settings.level == "debug"


def test_truncation_alone_changes_nothing() -> None:
    settings = Settings()
    settings.tags["a"] = "b"
    with Client(Dir({"s": settings})) as client:
        client.open("s/jobs", os.O_WRONLY | os.O_TRUNC).close()
        client.truncate("s/jobs", 0)
        client.open("s/tags.json", os.O_WRONLY | os.O_TRUNC).close()
        assert settings.jobs == 3
        assert settings.tags == {"a": "b"}
        assert client.read_text("s/jobs") == "3\n"


def test_a_write_only_entry_is_not_read_even_by_root() -> None:
    settings = Settings()
    with Client(Dir({"s": settings})) as client:
        with raises_errno(errno.EACCES):
            client.read_text("s/token")
        with raises_errno(errno.EACCES):
            client.open("s/token", os.O_RDWR)
        client.write("s/token", "new\n")
        assert settings.token == "new"
        assert client.stat("s/token").st_mode & 0o777 == 0o200


def test_what_is_not_writable_is_refused() -> None:
    settings = Settings()
    with Client(Dir({"s": settings})) as client:
        assert client.stat("s/fixed").st_mode & 0o777 == 0o444
        with client.as_user(1000, 1000), raises_errno(errno.EACCES):
            client.write("s/fixed", "2")
        with raises_errno(errno.EROFS):
            client.write("s/fixed", "2")
        assert settings.fixed == 1


def test_documents_are_parsed_at_close() -> None:
    settings = Settings()
    with Client(Dir({"s": settings})) as client:
        document = json.dumps({"color": "red", "size": "x" * 5000})
        with client.open("s/tags.json", "w") as file:
            for start in range(0, len(document), 1000):
                file.write(document[start : start + 1000])
            file.flush()
            assert settings.tags == json.loads(document)
        assert json.loads(client.read_text("s/tags.json")) == settings.tags


def test_the_duplicate_that_a_shell_closes_before_it_writes_stores_nothing() -> None:
    settings = Settings()
    settings.tags["a"] = "b"
    with Client(Dir({"s": settings})) as client:
        with client.open("s/tags.json", "w") as file:
            file.flush()  # of the descriptor that dup2 made superfluous
            assert settings.tags == {"a": "b"}
            file.write('{"c": "d"}')
        assert settings.tags == {"c": "d"}


@pytest.mark.parametrize("bad", ["{", "[1]", '{"a": {"b": 1}}', "nonsense"])
def test_a_bad_document_is_refused_at_close_and_changes_nothing(bad: str) -> None:
    settings = Settings()
    settings.tags["a"] = "b"
    with Client(Dir({"s": settings})) as client:
        file = client.open("s/tags.json", "w")
        file.write(bad)
        if bad == '{"a": {"b": 1}}':
            file.close()  # cattrs makes text of it; whether that is wanted is for cattrs to say
            return
        with raises_errno(errno.EINVAL):
            file.close()
        assert settings.tags == {"a": "b"}


def test_a_document_is_stored_at_fsync_too() -> None:
    settings = Settings()
    with Client(Dir({"s": settings})) as client, client.open("s/tags.json", "w") as file:
        file.write('{"a": "b"}')
        file.fsync()
        assert settings.tags == {"a": "b"}


def test_an_action_is_called_for_each_line() -> None:
    settings = Settings()
    with Client(Dir({"s": settings})) as client:
        client.write("s/reset", "first\nsecond\n")
        assert settings.stored == ["first", "second"]
        with client.open("s/reset", "w") as file:
            file.write("thi")
            file.write("rd\nfour")
            assert settings.stored[2:] == ["third"]
            file.write("th")
        assert settings.stored[2:] == ["third", "fourth"]
        with raises_errno(errno.EACCES):
            client.read_text("s/reset")


def test_a_handler_may_change_the_tree_that_it_serves() -> None:
    """A change made inside a request is told too, and does not wait for itself."""
    settings = Settings()
    with Client(Dir({"s": settings}), coherence_wait=30.0) as client:
        assert client.read_text("s/jobs") == "3\n"
        client.write("s/reset", "now\n")
        client.wait_notification(NotifyCode.INVAL_INODE, node_id=client.node_id("s/jobs"))
        assert client.read_text("s/jobs") == "0\n"
        assert client.stat("s/jobs").st_size == 2
