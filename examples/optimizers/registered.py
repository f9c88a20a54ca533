from toy import SGD, Adam, train

import nemo_partial_hydra as nph


@nph.recipe(name="two_optimizers")
def two_optimizers():
    import nemo_run as run  # only when this recipe is chosen

    return run.Partial(train, optimizers=[run.Config(SGD, lr=0.01), Adam(betas=(0.9, 0.95))])


main = nph.app(config_name="two_optimizers")  # its function is: run the recipe

if __name__ == "__main__":
    main()
