"""The nodes to which files may add keywords.

May import: OmegaConf.
"""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from nemo_partial_hydra.signatures.signature import Signature


class KeywordsNode(DictConfig):
    """The node of a target that takes further keywords: files add some to it, as to a dict.

    Hydra merges files first and sets ``struct`` then: on the command line such a keyword is still one with ``+``, or
    every mistyped name would be one.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> KeywordsNode:
        copied: Any = super().__deepcopy__(memo)
        object.__setattr__(copied, "__class__", type(self))  # a plain assignment would be one of a key
        node: KeywordsNode = copied
        return node

    def _signature(self) -> Signature | None:
        """Return the signature that says what the node takes."""
        found: Signature | None = getattr(OmegaConf.get_type(self), "signature_", None)
        return found

    def _merge_with(self, *others: Any, **kwargs: Any) -> None:
        signature = self._signature()
        if signature is None or signature.extra is None or OmegaConf.is_struct(self):
            super()._merge_with(*others, **kwargs)
            return
        with open_dict(self):  # a typed node takes no other keys unless it is said of itself
            super()._merge_with(*others, **kwargs)
