//! Private `FalkorDB` and `PostgreSQL` as child processes.
