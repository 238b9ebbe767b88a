//! Command line → settings; one file per verb.
