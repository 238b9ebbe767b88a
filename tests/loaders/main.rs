//! Files that somebody hands in, with bytes changed: what they say, or an error that names the place; no panic, and no more
//! memory than their size allows. `scripts/test-decoders` runs these for ten minutes.

mod changes;
mod configuration;
mod graph_cache;
mod lists;
mod parquet;
mod snapshot_folder;
