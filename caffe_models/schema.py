"""``schema.proto`` as protobuf message classes, in a descriptor pool of our own.

The pool is private, so that pycaffe, or anything else with a ``caffe.proto``, lives in the same process
without a clash.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

FieldProto = descriptor_pb2.FieldDescriptorProto


def message(name: str) -> type[Any]:
    """The class of a message, by its Caffe name: ``message("NetParameter")``."""
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(f"caffe.{name}"))


def enum(name: str) -> dict[str, int]:
    """The values of an enum by name: ``enum("Phase")["TEST"]``, ``enum("V1LayerParameter.LayerType")``."""
    return {value.name: value.number for value in POOL.FindEnumTypeByName(f"caffe.{name}").values}


def new(kind: str, /, **fields: Any) -> Any:
    """A new message: ``new("LayerParameter", name="relu1", type="ReLU")``."""
    return message(kind)(**fields)


def copy(original: Message) -> Any:
    """An independent copy of a message."""
    duplicate = type(original)()
    duplicate.CopyFrom(original)
    return duplicate


def with_layers(net: Any, layers: Iterable[Any]) -> Any:
    """A copy of a NetParameter with these V2 layers in place of its own."""
    layers = [copy(layer) for layer in layers]
    changed = copy(net)
    del changed.layer[:]
    changed.layer.extend(layers)
    return changed


def _load(text: str) -> descriptor_pool.DescriptorPool:
    """A pool that holds the one file ``text``: the part of the proto2 language that ``schema.proto`` uses."""
    file = descriptor_pb2.FileDescriptorProto(name="schema.proto", package="caffe", syntax="proto2")
    tokens = re.finditer(r'"[^"]*"|[\w.+-]+|[{}=;\[\],]', re.sub(r"//.*", "", text))
    _declarations((token[0] for token in tokens), file)
    _qualify(file)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _declarations(tokens: Iterator[str], scope: Any) -> None:
    """Everything up to the end of a message (or of the file), added to its descriptor."""
    for word in tokens:
        if word == "}":
            return
        if word == "message":
            inner = scope.message_type.add(name=next(tokens))
            next(tokens)  # {
            _declarations(tokens, inner)
        elif word == "enum":
            _enum(tokens, scope.enum_type.add(name=next(tokens)))
        elif word in ("syntax", "package"):
            while next(tokens) != ";":
                pass
        else:
            _field(word, tokens, scope.field.add())


def _enum(tokens: Iterator[str], enum: Any) -> None:
    next(tokens)  # {
    while (name := next(tokens)) != "}":
        _, number, _ = next(tokens), next(tokens), next(tokens)  # = 1 ;
        enum.value.add(name=name, number=int(number))


def _field(label: str, tokens: Iterator[str], field: Any) -> None:
    kind, field.name, _, number = next(tokens), next(tokens), next(tokens), next(tokens)
    field.label = FieldProto.Label.Value(f"LABEL_{label.upper()}")
    field.number = int(number)
    field.type_name = kind
    while (option := next(tokens)) != ";":
        if option == "default":
            _, value = next(tokens), next(tokens)
            field.default_value = value.strip('"')
        elif option == "packed":
            _, value = next(tokens), next(tokens)
            field.options.packed = value == "true"


def _qualify(file: Any) -> None:
    """Give each field its type: a scalar, or the full name of an enum (of the message itself first) or message."""
    scalars = {name.removeprefix("TYPE_").lower(): value for name, value in FieldProto.Type.items()}
    enums = {e.name for e in file.enum_type}
    for owner in file.message_type:
        own = {e.name for e in owner.enum_type}
        for field in owner.field:
            kind = field.type_name
            if kind in scalars:
                field.type = scalars[kind]
                field.ClearField("type_name")
                continue
            field.type = FieldProto.TYPE_ENUM if kind in own | enums else FieldProto.TYPE_MESSAGE
            field.type_name = f".caffe.{owner.name}.{kind}" if kind in own else f".caffe.{kind}"


POOL = _load(Path(__file__).with_name("schema.proto").read_text(encoding="utf-8"))
