//! `FalkorDB`: client, quoting, bounded scans.
