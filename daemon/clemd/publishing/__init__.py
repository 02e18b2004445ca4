"""The bus: committed messages out over ZeroMQ, questions and commands in."""

from ._buffers import Buffer
from ._bus import Bus
from ._command import CommandHandler, CommandTable, Peer, Reply, Request, Verb
from ._connection import ClientKeys, Whereabouts
from ._endpoint import BusCard, Endpoints, read_card
from ._following import SNAPSHOT, Follower
from ._frames import HEARTBEAT, Heartbeat
from ._header import BufferFacts, Header, OutboxRow
from ._json import MalformedError
from ._keys import KeyPair, load_key_pair, make_key_pair
from ._link import AsyncLink, Link
from ._schemas import schemas, write_schemas
from ._steps import Deliver, Ready, RejectedError, Step, Steps, Update
from ._talk import Talk, asking

__all__ = [
    "HEARTBEAT",
    "SNAPSHOT",
    "AsyncLink",
    "Buffer",
    "BufferFacts",
    "Bus",
    "BusCard",
    "ClientKeys",
    "CommandHandler",
    "CommandTable",
    "Deliver",
    "Endpoints",
    "Follower",
    "Header",
    "Heartbeat",
    "KeyPair",
    "Link",
    "MalformedError",
    "OutboxRow",
    "Peer",
    "Ready",
    "RejectedError",
    "Reply",
    "Request",
    "Step",
    "Steps",
    "Talk",
    "Update",
    "Verb",
    "Whereabouts",
    "asking",
    "load_key_pair",
    "make_key_pair",
    "read_card",
    "schemas",
    "write_schemas",
]
