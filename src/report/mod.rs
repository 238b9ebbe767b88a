//! Findings → HTML, Markdown and figures.
