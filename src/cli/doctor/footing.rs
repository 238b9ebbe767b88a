//! Whether everything that the last mirror run read is still found: without it, the next one ends.

use super::{Check, Failure, POSTGRES, Session};
use crate::cli::connect;
use crate::mirror::{Footing, MirrorError};
use crate::sources::falkordb::FalkorError;
use crate::sources::{ColumnAsked, Lacking};

pub(super) async fn examine(
    (asked, lacking): (&[ColumnAsked], &[Lacking]),
    session: &Session,
    checks: &mut Vec<Check>,
) {
    const WHAT: &str = "what the last mirror run read";
    // Where it cannot be reached, that was told before.
    let Ok(mut client) = connect::falkordb(session).await else { return };
    let before = match Footing::kept(&mut client, &session.config.falkordb.graph).await {
        // No run noted what it read; or this user may not ask, which was told before.
        Ok(None) | Err(MirrorError::Unread(FalkorError::Forbidden { .. })) => return,
        Ok(Some(before)) => before,
        Err(error) => return checks.push(Check::failed(POSTGRES, WHAT, &Failure::from(error))),
    };
    let lost = Footing::of(asked).lost_since(&before).into_iter();
    let lost: Vec<_> = lost.map(|lost| lost.because_of(lacking)).collect();
    checks.push(if lost.is_empty() {
        Check::ok(POSTGRES, WHAT, "all of it is there")
    } else {
        Check::failed(POSTGRES, WHAT, &Failure::from(MirrorError::Lost { lost }))
    });
}
