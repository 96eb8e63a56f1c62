"""Reading a definition: text or binary, V0, V1 or V2, always returned as V2 and without weights."""

from __future__ import annotations

import re
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from ..errors import BadInput, nearest
from . import files, schema
from .files import FilePath
from .upgrade import upgraded_net, upgraded_solver
from .wire import Span, without_blobs


def read_net(path: FilePath) -> Any:
    """The NetParameter of a .prototxt, or of a .caffemodel (its weights are left out), upgraded to V2.

    Which of the two it is, the content decides. BadInput: what is wrong, with line and column where the file is text.
    """
    with files.mapped(path) as content:
        kind = files.kind(content)
        if kind == files.TEXT:
            return parse_net(_decoded(content), str(path))
        if kind == files.BINARY:
            return _binary_net(content)
    raise BadInput(f"{path}: is {kind}, expected the definition of a net (.prototxt or .caffemodel)")


def parse_net(text: str, source: str = "<text>") -> Any:
    """The NetParameter that a prototxt's text means, upgraded to V2 and without weights; errors name ``source``."""
    net = _parse(text, "NetParameter", source)
    for layer in [*net.layer, *net.layers, *(v1.layer for v1 in net.layers if v1.HasField("layer"))]:
        layer.ClearField("blobs")
    return _checked_and_upgraded(net, source)


def read_solver(path: FilePath) -> Any:
    """The SolverParameter of a solver prototxt; an older ``solver_type`` becomes ``type``, as in Caffe."""
    with files.mapped(path) as content:
        if (kind := files.kind(content)) != files.TEXT:
            raise BadInput(f"{path}: is {kind}, expected the text of a solver (.prototxt)")
        return upgraded_solver(_parse(_decoded(content), "SolverParameter", str(path)), str(path))


# --- text ---------------------------------------------------------------------------------------------------


def _decoded(content: Span) -> str:
    raw = content.bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise BadInput(
            f"{content.where}:{line}:{column}: byte 0x{raw[error.start]:02x} is not UTF-8 text; "
            "expected a prototxt in UTF-8"
        ) from None


def _parse(text: str, kind: str, source: str) -> Any:
    message = schema.new(kind)
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        raise BadInput(_told(error, text, kind, source)) from None
    except (RecursionError, UnicodeError, ValueError, OverflowError) as error:
        raise BadInput(f"{source}: cannot be read as the text of a {kind}: {error}") from None
    if missing := message.FindInitializationErrors():
        raise BadInput(f"{source}: required but absent: {', '.join(missing)}")
    return message


NO_FIELD = re.compile(r'Message type "caffe\.(?P<owner>\w+)" has no field named "(?P<name>.*?)"')
NO_VALUE = re.compile(r'Enum type "caffe\.(?P<owner>[\w.]+)" has no value named "?(?P<name>.*?)"?\.?$', re.DOTALL)


def _told(error: text_format.ParseError, text: str, kind: str, source: str) -> str:
    """protobuf's complaint as one line in our words, with the nearest known name."""
    line, column = error.GetLine(), error.GetColumn()
    complaint = str(error)
    if line:
        complaint = complaint.removeprefix(f"{line}:{column} : ")
        quoted = text.split("\n")[line - 1]  # protobuf repeats the line, or nothing at its end
        complaint = complaint.removeprefix(f"'{quoted}': ").removeprefix("'': ")
        source = f"{source}:{line}:{column}"
    if field := NO_FIELD.search(complaint):
        owner, name = field["owner"], field["name"][:80]
        known = schema.message(owner).DESCRIPTOR.fields_by_name
        complaint = f"{owner} has no field {name!r}{_other_kind(owner, kind, name) or nearest(name, known)}"
    elif value := NO_VALUE.search(complaint):
        owner, name = value["owner"], value["name"][:80]
        complaint = f"{owner} has no value {name!r}{nearest(name, schema.enum(owner))}"
    return f"{source}: {complaint[:300]}"


def _other_kind(owner: str, kind: str, name: str) -> str:
    """A net's field in a solver, or a solver's in a net: the files were probably swapped."""
    other = {"NetParameter": "SolverParameter", "SolverParameter": "NetParameter"}[kind]
    if owner == kind and name in schema.message(other).DESCRIPTOR.fields_by_name:
        return f", but {other} has: expected the definition of a {'net' if kind == 'NetParameter' else 'solver'} here"
    return ""


# --- binary -------------------------------------------------------------------------------------------------


def _binary_net(content: Span) -> Any:
    path = content.where
    net = schema.new("NetParameter")
    try:
        net.ParseFromString(without_blobs(content))
    except BadInput as error:
        raise BadInput(f"{error} (read as a binary net, since it is no text)") from None
    except (DecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: is neither a prototxt nor a binary net: {error}") from None
    if foreign := _foreign(net, "NetParameter"):
        raise BadInput(f"{path}: {foreign}: damaged, not a Caffe net, or one of an extended Caffe")
    if missing := net.FindInitializationErrors():
        raise BadInput(f"{path}: required but absent: {', '.join(missing)}")
    return _checked_and_upgraded(net, path)


def _foreign(message: Message, where: str) -> str:
    """The first thing, anywhere in a message, that protobuf lets pass: an unknown field, or a string that is no text."""
    for unknown in UnknownFieldSet(message):  # type: ignore[attr-defined]
        return f"{where} has field number {unknown.field_number}, which Caffe does not have"
    for field, content in message.ListFields():
        for value in content if field.is_repeated else [content]:
            if field.type == field.TYPE_STRING and not isinstance(value, str):
                return f"{where}.{field.name} is not UTF-8 text"
            if isinstance(value, Message) and (found := _foreign(value, f"{where}.{field.name}")):
                return found
    return ""


# --- both ---------------------------------------------------------------------------------------------------


def _checked_and_upgraded(net: Any, source: str) -> Any:
    if not (net.layer or net.layers or net.input):
        raise BadInput(f"{source}: defines no layers, expected the definition of a net")
    return upgraded_net(net, source)
