"""Says within seconds, before NeMo is imported, that a checkpoint's source cannot be read.

May import: huggingface_hub, inside the function that asks the hub.
"""

from __future__ import annotations

from pathlib import Path


def check_source(source: str) -> None:
    """End the process with one clear line if nothing can be read from ``source``.

    Parameters
    ----------
    source : ``hf://`` and a name on the hub, or an absolute folder.

    Notes
    -----
    Without it, huggingface_hub tries five times and NeMo shows a stack of six exceptions after half a minute. What
    the hub answers (not found, no permission) is left to where the checkpoint is loaded: it says it better.
    """
    name = source.removeprefix("hf://")
    if not source.startswith("hf://") or Path(name, "config.json").is_file():
        return
    if Path(name).is_absolute():
        raise SystemExit(f"import.py: no Hugging Face folder {name}: it has no config.json")
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        HfApi().model_info(name, timeout=5)  # one request: unlike a download it is not tried again
    except HfHubHTTPError:
        return
    except HFValidationError:
        raise SystemExit(f"import.py: {source} is neither a folder nor a name on the hub") from None
    except OSError as error:
        if isinstance(try_to_load_from_cache(name, "config.json"), str):
            return
        raise SystemExit(
            f"import.py: cannot reach the Hugging Face hub for {name} ({_root_cause(error)}), and it is not in the "
            "local cache; for a model on disk use source=hf:///absolute/folder"
        ) from None


def _root_cause(error: BaseException) -> str:
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return (str(error) or type(error).__name__).splitlines()[0]
