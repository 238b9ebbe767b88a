//! What went wrong on a connection, told without values of rows: views and functions of a source may quote them in an error of
//! any code.

use std::io::{self, ErrorKind};

use sqlx::postgres::PgDatabaseError;

use crate::sources::SourceError;

/// An error as the server, or a pooler before it, tells it.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// SQLSTATE.
    pub(super) code: Option<String>,
    /// In its own words, which may hold values of rows.
    pub(super) message: String,
    /// Where in the server's code it arose; poolers have none.
    pub(super) routine: Option<String>,
}

impl Told {
    fn of(answer: &dyn sqlx::error::DatabaseError) -> Self {
        let routine = answer.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::routine);
        Self {
            code: answer.code().map(String::from),
            message: answer.message().to_owned(),
            routine: routine.map(str::to_owned),
        }
    }

    /// What the server said, where its words hold no value of a row: what its own machinery says of sessions and time, or a
    /// pooler of itself; else what the code says.
    fn words(&self) -> String {
        let code = self.code.as_deref().unwrap_or_default();
        let words = match (self.routine.as_deref(), code.get(..2).unwrap_or_default()) {
            (None | Some("ProcessInterrupts" | "PreventCommandIfReadOnly"), _) => &self.message,
            (_, "22" | "23") => "a value was refused",
            (_, "53") => "the server lacks room, memory or connections",
            (_, "57") => "the server stopped it",
            (_, "58" | "XX") => "the server itself failed",
            _ => "the server, or a view or function of the source, refused it",
        };
        format!("{words} (SQLSTATE {code})")
    }

    /// What became of reading `what` at a place as a user.
    pub(super) fn failure(&self, place: &str, user: &str, what: &str) -> SourceError {
        let (place, user, what) = (place.to_owned(), user.to_owned(), what.to_owned());
        match self.code.as_deref() {
            Some("42501") if self.message.contains("row-level security") => {
                SourceError::RowSecurity { place, user, table: what }
            }
            Some("42501") => SourceError::Denied { place, user, what },
            Some("57P01" | "57P02") => {
                let source = io::Error::new(ErrorKind::ConnectionAborted, self.words());
                SourceError::Lost { place, what, source }
            }
            _ => SourceError::Query { place, what, reason: self.words() },
        }
    }
}

/// What the driver says, without values of rows.
pub(super) fn said(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(answer) => Told::of(&**answer).words(),
        _ => error.to_string(),
    }
}

/// What became of reading `what` at a place as a user.
pub(super) fn failure(place: &str, user: &str, error: sqlx::Error, what: &str) -> SourceError {
    if let sqlx::Error::Database(answer) = &error {
        return Told::of(&**answer).failure(place, user, what);
    }
    let (place, what) = (place.to_owned(), what.to_owned());
    match error {
        sqlx::Error::Io(source) => SourceError::Lost { place, what, source },
        _ => SourceError::Query { place, what, reason: said(&error) },
    }
}
