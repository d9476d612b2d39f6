"""Test a tree without a kernel: the real libfuse over a socket pair, with a pretended kernel on the other
end.

    client        Client: serve a tree and use it
    paths         system calls by path: what a program does
    vfs           the walk from names to nodes
    files         open files; the page cache
    directories   open directories; cached listings
    kernel        what the pretended kernel remembers: names, attributes, pages, lookup counts
    raw           the requests of the protocol, one method each
    raw_special   ... the rarer ones: locks, devices, ranges, statx
    connection    frames out and in, replies matched, order kept
    recorder      notifications, and waiting for them
    values        attributes, entries and directory lines as replies tell them
    wire          layouts of the messages
    protocol      numbers: operation codes, flags
    deadlines     waiting that ends
    loops         an event loop in a thread of its own
    pytest_plugin fixtures

It promises: nothing sleeps and nothing waits without a deadline; a wrong message of the server is an error,
not a guess.
"""

from fusetree.testing.client import Client as Client
from fusetree.testing.connection import (
    Connection as Connection,
    Credentials as Credentials,
    Pending as Pending,
)
from fusetree.testing.deadlines import UnansweredError as UnansweredError, wait_until as wait_until
from fusetree.testing.directories import ClientDirectory as ClientDirectory
from fusetree.testing.files import ClientFile as ClientFile
from fusetree.testing.kernel import Kernel as Kernel
from fusetree.testing.paths import PathClient as PathClient
from fusetree.testing.protocol import (
    InitFlag as InitFlag,
    NotifyCode as NotifyCode,
    Opcode as Opcode,
    OpenedFlag as OpenedFlag,
)
from fusetree.testing.raw import Opened as Opened, RawClient as RawClient
from fusetree.testing.recorder import Notification as Notification, Recorder as Recorder
from fusetree.testing.values import Attributes as Attributes, Dirent as Dirent, Entry as Entry
from fusetree.testing.wire import Statfs as Statfs

__all__ = [
    "Attributes",
    "Client",
    "ClientDirectory",
    "ClientFile",
    "Connection",
    "Credentials",
    "Dirent",
    "Entry",
    "InitFlag",
    "Kernel",
    "Notification",
    "NotifyCode",
    "Opcode",
    "Opened",
    "OpenedFlag",
    "PathClient",
    "Pending",
    "RawClient",
    "Recorder",
    "Statfs",
    "UnansweredError",
    "wait_until",
]
