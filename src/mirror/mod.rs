//! Postgres sources → `FalkorDB` business graph: read, resolve, plan, apply.
