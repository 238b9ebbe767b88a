//! `PostgreSQL`: read-only client and the four layouts.
