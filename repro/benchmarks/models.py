"""The nets of a benchmark: those of ``definitions.py``, or a file's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...caffe_models.definition import parse_net, read_net
from ...caffe_models.deploy import DATA_LAYERS, deploy_view
from ...caffe_models.phases import for_state
from ...executor.load import build
from ...executor.net import Net
from .definitions import DEFINITIONS


@dataclass(frozen=True)
class Model:
    """A net that can be opened in any process: ``name`` is one of ``DEFINITIONS``, unless there is a ``prototxt``.

    Without ``weights`` the ``seed`` draws them: times do not hang on what a net has learned.
    """

    name: str
    prototxt: str = ""
    weights: str = ""
    seed: int = 0

    def message(self) -> Any:
        """The definition as it runs, in its deploy view."""
        if not self.prototxt:
            return parse_net(DEFINITIONS[self.name](), self.name)
        message = for_state(read_net(self.prototxt), source=self.prototxt)
        if any(layer.type in DATA_LAYERS for layer in message.layer):
            message, _notes = deploy_view(message)
        return message

    def open(self, device: str) -> Net:
        """Raises ``BadInput``."""
        return build(
            self.message(), self.weights or None, source=self.prototxt or self.name, device=device, seed=self._seed()
        )

    def _seed(self) -> int | None:
        return None if self.weights else self.seed
