"""Import Hugging Face checkpoints into NeMo: one recipe, its models a config group.

Usage: python import.py model=llama_tiny, or python import.py -m model=llama3_8b,llama3_70b
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

import nemo_partial_hydra as nph


@nph.main(config_path="conf", config_name="import")
def main(cfg: DictConfig) -> dict[str, Any]:
    """Import one checkpoint; return what was done, and note it in the job's directory, as a frozen job does."""
    from tiny_llama.source import check_source

    check_source(cfg.source)
    hydra = HydraConfig.get()
    model = hydra.runtime.choices.get("model")
    print(f"{model}: importing {cfg.source}", flush=True)
    start = time.perf_counter()
    output = nph.run(cfg)
    seconds = round(time.perf_counter() - start, 1)
    result = {"model": model, "source": cfg.source, "output": str(output), "seconds": seconds}
    Path(hydra.runtime.output_dir, "result.json").write_text(json.dumps({"result": result}) + "\n")
    print(f"{model}: wrote {output} in {seconds} s", flush=True)
    return result


if __name__ == "__main__":  # NeMo's checkpoint writer starts a process that imports this module again
    main()
