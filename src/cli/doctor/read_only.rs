//! `sonograph doctor --prove-read-only`: what the role could do, and that a full read leaves every table as it was.

use super::{Check, Failure, POSTGRES, Session, Verdict};
use crate::cli::connect;
use crate::sources::postgres::grants::readings;
use crate::sources::postgres::read_only::{self, Rights};
use crate::sources::read_facts;

/// Excess privileges that a line names.
const NAMED: usize = 5;

pub(super) async fn prove(session: &Session) -> Result<Vec<Check>, Failure> {
    let cx = &session.cx;
    let databases = connect::databases(session)?;
    let options = connect::source_options(&session.config);
    let readings = readings(&databases, &options, cx).await?;
    let rights = read_only::rights(&databases, &readings).await?;
    let before = read_only::sums(&databases, &readings, "before", cx).await?;
    let facts = read_facts(&databases, &options, cx).await?;
    let after = read_only::sums(&databases, &readings, "after", cx).await?;

    let mut checks: Vec<Check> = rights.iter().flat_map(role).collect();
    let read: u64 = facts.read.iter().map(|read| read.rows).sum();
    checks.push(Check::ok(POSTGRES, "full read", format!("{read} rows of {} tables", facts.read.len())));
    let changed = read_only::changed(&before, &after);
    let rows: u64 = after.values().map(|(rows, _)| rows).sum();
    checks.push(if changed.is_empty() {
        let found = format!("{} tables with {rows} rows are as they were before it", after.len());
        Check::ok(POSTGRES, "untouched", found)
    } else {
        let found = format!("{} of {} tables changed: {}", changed.len(), after.len(), some(&changed));
        let hint = "somebody wrote meanwhile: prove it while nobody does, or on a copy";
        Check { hint: Some(hint.to_owned()), ..Check::new(POSTGRES, "untouched", Verdict::Failed, found) }
    });
    Ok(checks)
}

fn role(rights: &Rights) -> Vec<Check> {
    let what = format!("role `{}` at {}", rights.user, rights.place);
    let mut checks = vec![if rights.excess.is_empty() {
        Check::ok(POSTGRES, &what, "may read and nothing else")
    } else {
        let found = format!("may also {}", some(&rights.excess));
        let hint = "read with a role of its own: `sonograph doctor grants` prints the statements that make it; \
                    REVOKE what PUBLIC may do";
        Check { hint: Some(hint.to_owned()), ..Check::new(POSTGRES, &what, Verdict::Failed, found) }
    }];
    // A superuser was told already.
    if rights.bypasses && rights.excess.first().is_none_or(|first| first != "be superuser") {
        checks.push(if rights.guarded > 0 {
            let found = format!("BYPASSRLS, which {} tables with row security need", rights.guarded);
            Check::note(POSTGRES, what, found, "it lets the role read past policies, not write")
        } else {
            let hint = format!("no table that is read needs it: ALTER ROLE \"{}\" NOBYPASSRLS", rights.user);
            let found = Check::new(POSTGRES, what, Verdict::Failed, "has BYPASSRLS for nothing");
            Check { hint: Some(hint), ..found }
        });
    }
    checks
}

fn some(names: &[String]) -> String {
    let first = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
