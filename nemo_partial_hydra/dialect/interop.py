"""What other programs write into YAML beyond the dialect, put into its forms before a file is read.

May import: the standard library only. Two writers are known: nemo_run's ``--to-yaml`` and the ``to_yaml`` of
Megatron-Bridge's config containers. Overrides do not come here: what they say is the dialect.
"""

from __future__ import annotations

from typing import Any

from nemo_partial_hydra.recipes.keys import ARGS, CALL_KEY, TARGET
from nemo_partial_hydra.signatures.signature import Lookup

_MEMBER = {TARGET, CALL_KEY, ARGS, "_name_"}


def adopted(data: Any, signature: Lookup) -> Any:
    """Return a file's plain data in the forms of the dialect.

    * an enum member that is called with its value and named beside it (Megatron-Bridge) is named only;
    * positional arguments as numbered keys (nemo_run) become ``_args_``;
    * fields that a dataclass computes itself, which Megatron-Bridge writes beside those that it takes, are left out.

    Parameters
    ----------
    data : dict, list and scalars; it is left as it is.
    signature : gives the ``Signature`` of a target, or None where it is not known.
    """
    if isinstance(data, list):
        return [adopted(item, signature) for item in data]
    if not isinstance(data, dict):
        return data
    if _names_member(data):
        return {TARGET: f"{data[TARGET]}.{data['_name_']}", CALL_KEY: False}
    made = {key: adopted(value, signature) for key, value in data.items()}
    if not isinstance(data.get(TARGET), str) or data.get(CALL_KEY) is False:
        return made
    found = signature(data[TARGET])
    computed = found.computed if found is not None else ()
    return _numbered({key: value for key, value in made.items() if key not in computed})


def _names_member(data: dict[Any, Any]) -> bool:
    name, args = data.get("_name_"), data.get(ARGS)
    called = set(data) == _MEMBER and data[CALL_KEY] is True and isinstance(data[TARGET], str)
    return called and isinstance(name, str) and name.isidentifier() and isinstance(args, list) and len(args) == 1


def _numbered(data: dict[Any, Any]) -> dict[Any, Any]:
    numbers = [key for key in data if type(key) is int]
    if not numbers or ARGS in data or sorted(numbers) != list(range(len(numbers))):
        return data  # the reader says what is wrong with a key that is no name
    rest = {key: value for key, value in data.items() if type(key) is not int}
    return {TARGET: rest.pop(TARGET), ARGS: [data[number] for number in sorted(numbers)], **rest}
