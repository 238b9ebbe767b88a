//! The studies, asked of small graphs whose answers can be worked out by hand.

mod answers;
mod asking;
mod city;
mod community;
mod davis;
mod influence;
mod paths;
mod town;
