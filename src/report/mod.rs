//! Findings → HTML, Markdown and figures.

mod axis;
mod canvas;
pub mod charts;
mod numbers;
