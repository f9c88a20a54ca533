"""An app whose function is: run the recipe, a fit."""

import nemo_partial_hydra as nph

main = nph.app(config_path="conf", config_name="line")

if __name__ == "__main__":
    main()
