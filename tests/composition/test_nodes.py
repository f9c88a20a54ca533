"""The dataclasses of targets: one for equal signatures, whatever brought them; forgotten when asked to."""

from __future__ import annotations

import pickle

from nemo_partial_hydra.composition.nodes import NODE_CLASSES, NodeClasses
from nemo_partial_hydra.signatures.signature import Parameter, Signature
from nemo_partial_hydra.signatures.types import ANY


def signature() -> Signature:
    return Signature("shop.SGD", {"lr": Parameter("lr", ANY, 0.1)})


def test_a_target_has_one_class() -> None:
    classes, of_sgd = NodeClasses(), signature()
    assert classes.of(of_sgd, ()) is classes.of(of_sgd, ())
    assert classes.of(of_sgd, ("_partial_",)) is not classes.of(of_sgd, ())
    assert list(classes.of(of_sgd, ("_partial_", "more")).__annotations__) == ["_target_", "_partial_", "lr", "more"]


def test_pickles_of_equal_signatures_share_a_class() -> None:
    classes = NodeClasses()
    assert classes.of_pickle(signature(), ()) is classes.of_pickle(signature(), ())
    assert classes.of_pickle(None, ("a",)) is classes.overlay(("a",))


def test_a_class_is_pickled_by_what_it_was_made_from() -> None:
    made = NODE_CLASSES.of(signature(), ("_partial_",))
    again = pickle.loads(pickle.dumps(made))
    assert (again.signature_, again.extras_, again.__annotations__) == (
        made.signature_,
        made.extras_,
        made.__annotations__,
    )


def test_a_reset_makes_them_anew() -> None:
    classes, of_sgd = NodeClasses(), signature()
    before = classes.of(of_sgd, ()), classes.of_pickle(signature(), ())
    classes.reset()
    assert classes.of(of_sgd, ()) is not before[0]
    assert classes.of_pickle(signature(), ()) is not before[1]
