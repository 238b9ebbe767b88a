//! Everything a human sees.
