//! Scores → node properties: plan, apply, verify, undo.
