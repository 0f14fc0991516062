"""Everything that a server can do wrong, by name: what it sends when it is asked anything."""

from __future__ import annotations

import gzip
import itertools
import zlib
from collections.abc import Iterator

from .server import CLOSE, Answer, Asked, Step, always, respond

PIECE = b"x" * 65_536
ID = "65f0c1a2912265b1f5000001"


def _trickle(_: Asked) -> Iterator[Step]:
    for byte in respond(b"[" + b" " * 10_000 + b"]"):
        yield bytes([byte])
        yield 0.05


def _trickling_body(_: Asked) -> Iterator[Step]:
    yield respond(b"", length=1000)
    for _number in range(1000):
        yield b" "
        yield 0.05


def _without_end(first: bytes, again: bytes, pause: float = 0.0) -> Answer:
    def answer(_: Asked) -> Iterator[Step]:
        yield first
        for _number in itertools.count():
            yield again
            if pause:
                yield pause

    return answer


def _bomb(_: Asked) -> Iterator[Step]:
    """A gzip stream that unpacks to a thousand times its size, for as long as somebody reads."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    yield b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: application/json\r\n\r\n"
    while True:
        yield packer.compress(b" " * 1_000_000) + packer.flush(zlib.Z_SYNC_FLUSH)


def _packed(body: bytes, encoding: str = "gzip") -> Answer:
    return always(respond(body, content_encoding=encoding))


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
_103 = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"

SLOW: dict[str, Answer] = {
    "a byte now and then": _trickle,
    "a body that comes a byte now and then": _trickling_body,
    "nothing": always(600.0),
    "a head, and no body": always(respond(b"", length=10), 600.0),
    "103 for ever, now and then": _without_end(b"", _103, 0.02),
    "chunks of a byte for ever, now and then": _without_end(_CHUNKED, _chunk(b" "), 0.02),
}
"""Answers that only the time ends."""

ENDLESS: dict[str, Answer] = {
    "103 for ever": _without_end(b"", _103 * 500),
    "headers for ever": _without_end(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 1000),
    "one header for ever": _without_end(b"HTTP/1.1 200 OK\r\nX-A: ", PIECE),
    "chunks for ever": _without_end(_CHUNKED, _chunk(b" " * 60_000)),
    "chunks of a byte for ever": _without_end(_CHUNKED, _chunk(b" ") * 5000),
    "a chunk's size for ever": _without_end(_CHUNKED, b"0" * 60_000),
    "a body for ever": _without_end(respond(b"", length="", close=True), b" " * 60_000),
    "a body that says it is a terabyte": _without_end(respond(b"", length=10**12), b" " * 60_000),
    "a gzip bomb": _bomb,
    "gzip in gzip": _packed(gzip.compress(gzip.compress(b" " * 10_000_000)), "gzip, gzip"),
    "empty gzip members for ever": _without_end(
        respond(b"", length="", close=True, content_encoding="gzip"), gzip.compress(b"") * 1000
    ),
}
"""Answers that only a limit ends."""

BROKEN: dict[str, Answer] = {
    "the connection closed at once": always(CLOSE),
    "a head that breaks off": always(b"HTTP/1.1 200 OK\r\nContent-Le", CLOSE),
    "a body that breaks off": always(respond(b"[{", length=1000), CLOSE),
    "chunks that break off": always(_CHUNKED + _chunk(b"[{") + b"ff\r\nabc", CLOSE),
    "more body than it says": always(respond(b"[]" + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", length=2)),
    "no length, and closed": always(respond(b"[]", length="", close=True), CLOSE),
    "a length below nothing": always(respond(b"[]", length=-2)),
    "a length that is no number": always(respond(b"[]", length="1e3")),
    "two lengths": always(respond(b"[]", content_length="9")),
    "a length and chunks": always(respond(_chunk(b"[]") + _chunk(b""), length=2, transfer_encoding="chunked")),
    "a chunk's size that is none": always(_CHUNKED + b"zz\r\n[]\r\n0\r\n\r\n"),
    "another protocol": always(b"SSH-2.0-OpenSSH_9.6\r\n", CLOSE),
    "a status that is no number": always(respond(b"[]", "abc OK")),
    "a header without a colon": always(b"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 2\r\n\r\n[]"),
    "a header with a NUL": always(b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 2\r\n\r\n[]"),
    "TLS from here on": always(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: tls\r\n\r\n", CLOSE),
}

STATUSES: dict[str, Answer] = {
    "200 with nothing": always(respond()),
    "204": always(respond(b"", "204 No Content", length="")),
    "206 with an empty list": always(respond(b"[]", "206 Partial Content")),
    "299": always(respond(b"[]", "299 Odd")),
    "304": always(respond(b"", "304 Not Modified", length="")),
    "301 to another host": always(respond(b"", "301 Moved", location="https://api-eu2.planhat.com/companies")),
    "302 to nowhere": always(respond(b"", "302 Found", location="http://[::1")),
    "307 to itself": always(respond(b"", "307 Temporary Redirect", location="/companies")),
    "400 with HTML": always(respond(b"<html>no</html>", "400 Bad Request")),
    "400 with letters that are none": always(respond(b"\xff\xfe\x00", "400 Bad Request")),
    "400 nested 5,000 deep": always(respond(b"[" * 5000 + b"]" * 5000, "400 Bad Request")),
    "401": always(respond(b"Unauthorized", "401 Unauthorized")),
    "404 without end": _without_end(respond(b"", "404 Not Found", length="", close=True), b"x" * 60_000),
    "407": always(respond(b"", "407 Proxy Authentication Required")),
    "418": always(respond(b"", "418 I'm a teapot")),
    "429": always(respond(b"Too many requests", "429 Too Many Requests")),
    "429, come back in 0.001 s": always(respond(b"", "429 Too Many Requests", retry_after="0.001")),
    "429, come back in 30 years": always(respond(b"", "429 Too Many Requests", retry_after="1e9")),
    "429, come back in the year 99999999999": always(
        respond(b"", "429 Too Many Requests", retry_after="Wed, 21 Oct 99999999999 07:28:00 GMT")
    ),
    "429, come back yesterday": always(respond(b"", "429 Too Many Requests", retry_after="-5")),
    "500 with 5 MB": always(respond(b"x" * 5_000_000, "500 Internal Server Error")),
    "503, come back in 30 years": always(respond(b"", "503 Unavailable", retry_after="1e9")),
    "999": always(respond(b"[]", "999 Beyond")),
}

HEADERS: dict[str, dict[str, str]] = {
    "1e20 calls left": {"X-RateLimit-Remaining": "1e20"},
    "-1e308 calls left": {"X-RateLimit-Remaining": "-1e308"},
    "nan calls left": {"X-Rate-Limit-Remaining": "nan"},
    "figures of 5,000 digits": {"X-Rate-Limit-Remaining": "9" * 5000, "Retry-After": "9" * 5000},
    "a date in the year 99999999999": {"Date": "Wed, 21 Oct 99999999999 07:28:00 GMT"},
    "a date with a zone of a million hours": {"Date": "Wed, 21 Oct 2020 07:28:00 +99999999"},
    "a date that is none": {"Date": "\xff\xfe"},
    "a cookie": {"Set-Cookie": "session=hostile; Path=/", "Set-Cookie2": "a=b"},
    "a redirect on 200": {"Location": "https://elsewhere.example/", "Refresh": "0"},
}
"""Headers that make no sense, on answers that are good."""

BODIES: dict[str, bytes] = {
    "HTML": b"<!doctype html><html></html>",
    "white space": b" \n\t ",
    "null": b"null",
    "a text": b'"ok"',
    "a number": b"7",
    "an empty object": b"{}",
    "a list of numbers": b"[1, 2]",
    "a list of nothing": b"[null]",
    "a list of lists": b"[[[]]]",
    "5,000 lists in each other": b"[" * 5000 + b"]" * 5000,
    "5,000 objects in each other": b'[{"_id":"a","custom":' + b'{"a":' * 5000 + b"1" + b"}" * 5001 + b"]",
    "a million brackets": b"[" * 1_000_000,
    "NaN": b'[{"_id":"a","mrr":NaN}]',
    "Infinity": b'{"_id":"a","mrr":Infinity}',
    "a number beyond all": b'[{"_id":"a","mrr":1e400}]',
    "a number of 5,000 digits": b'[{"_id":"a","mrr":' + b"9" * 5000 + b"}]",
    "letters that are none": b'[{"_id":"a","name":"\xff\xfe"}]',
    "UTF-16": '[{"_id":"a"}]'.encode("utf-16"),
    "a control character": b'[{"_id":"a","name":"\x00"}]',
    "JSON that breaks off": b'[{"_id":"a","name":"Ac',
    "two documents": b'[{"_id":"a"}][{"_id":"b"}]',
    "a trailing comma": b'[{"_id":"a"},]',
    "a comment": b"[] // done",
    "single quotes": b"[{'_id':'a'}]",
}
"""Bodies of 200 that are not what was asked for."""

RECORDS: dict[str, bytes] = {
    "no _id": b'{"name":"Acme"}',
    "an empty _id": b'{"_id":"","name":"Acme"}',
    "an _id of white space": b'{"_id":" ","name":"Acme"}',
    "an _id that is a number": b'{"_id":7,"name":"Acme"}',
    "an _id that is null": b'{"_id":null,"name":"Acme"}',
    "an _id that is an object": b'{"_id":{"$oid":"65f0c1a2912265b1f5000001"},"name":"Acme"}',
    "an _id of 64 kB": b'{"_id":"' + b"a" * 65_536 + b'","name":"Acme"}',
    "an _id that is half a surrogate pair": b'{"_id":"\\ud83d","name":"Acme"}',
    "a key twice": b'{"_id":"65f0c1a2912265b1f5000001","name":"Acme","name":"Bad"}',
    "values of other types": (
        b'{"_id":"65f0c1a2912265b1f5000001","name":{"a":1},"custom":[1],"tags":"x","mrr":"many","owner":[],'
        b'"customerFrom":true,"lastUpdated":[{}],"updatedAt":"soon","h":"\\ud800"}'
    ),
}
"""Records that are none, alone where one was asked for and in a list where that was."""

LISTS: dict[str, bytes] = {
    "two records with one _id": b'[{"_id":"a","name":"Acme"},{"_id":"a","name":"Bad"}]',
    "a record twice": b'[{"_id":"a","name":"Acme"},{"_id":"a","name":"Acme"}]',
    "one record of many without an _id": b'[{"_id":"a"},{"name":"Acme"},{"_id":"b"}]',
    "one record of many with an empty _id": b'[{"_id":""},{"_id":"a"},{"_id":"b"}]',
    "one record of many that is none": b'[{"_id":"a"},[],{"_id":"b"}]',
    "no order": b'[{"_id":"b"},{"_id":"a"},{"_id":"c"}]',
    "half of an emoji": b'[{"_id":"a","name":"cut \\ud83d"}]',
    "a byte order mark": b'\xef\xbb\xbf[{"_id":"a"}]',
}
"""Lists, complete after the first page, with something odd in them."""

ENVELOPES: dict[str, bytes] = {
    "counts that are texts": b'{"created":"many","updated":[],"nonupdates":{},"createdErrors":[],"updatedErrors":[]}',
    "lists that are objects": b'{"created":1,"insertsKeys":{"a":1},"updatesKeys":7,"modified":"x","upsertedIds":null}',
    "errors that are numbers": b'{"created":0,"createdErrors":[1,null,[],{}],"updatedErrors":"all","permissionErrors":7}',
    "keys that are not ours": b'{"created":1,"insertsKeys":[{"_id":7,"externalId":{}},3,null],"upsertedIds":[{}, 1]}',
    "more than was sent": b'{"created":99,"updated":99,"nonupdates":-99}',
    "a list": b"[]",
}
"""Answers to bulk upserts that are not what the API describes."""
