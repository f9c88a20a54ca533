"""What can be overridden, and where values come from: `--cfg-paths`, `nph.paths`, completion and diff."""
