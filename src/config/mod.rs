//! `sonograph.toml`, `SONOGRAPH_*` and flags, resolved into one value.
