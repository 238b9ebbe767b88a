//! What a server says of itself: whether anybody wrote, and how a replica stands to its primary.

use std::collections::HashMap;

use serde::Serialize;

use super::{Client, FalkorError};

/// The numbers and words of `INFO`.
#[derive(Debug)]
pub(super) struct Info(HashMap<String, String>);

impl Info {
    pub(super) async fn read(client: &mut Client) -> Result<Self, FalkorError> {
        let wire = client.command(&["INFO", "memory", "replication", "persistence"], None).await?;
        let text: String = redis::from_redis_value(wire).map_err(|_| FalkorError::Reply {
            doing: "INFO".to_owned(),
            reason: "it is no text".to_owned(),
        })?;
        let pairs = text.lines().filter_map(|line| line.trim_end().split_once(':'));
        Ok(Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A number; zero where there is none.
    pub(super) fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or(0)
    }
}

/// How far a replica is behind, as it knows itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// Seconds since it heard of its primary.
    pub heard_seconds: u64,
    /// Bytes of the primary's writes that it has and did not do yet.
    pub behind_bytes: u64,
}

/// Looks whether the server is a replica that follows its primary.
///
/// # Errors
/// [`FalkorError::NoReplica`], [`FalkorError::Detached`]; [`FalkorError::Forbidden`] without `+info`.
pub async fn lag(client: &mut Client) -> Result<Lag, FalkorError> {
    let info = Info::read(client).await?;
    let address = client.address().to_owned();
    if info.text("role") != "slave" {
        return Err(FalkorError::NoReplica { address });
    }
    let heard_seconds = info.number("master_last_io_seconds_ago");
    if info.text("master_link_status") != "up" || info.number("master_sync_in_progress") > 0 {
        let since = info.number("master_link_down_since_seconds");
        return Err(FalkorError::Detached { address, since });
    }
    let done = info.number("slave_repl_offset");
    let behind_bytes = info.number("slave_read_repl_offset").saturating_sub(done);
    Ok(Lag { heard_seconds, behind_bytes })
}

/// How much was written to a server, all its keys taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    saved: u64,
    since: u64,
}

impl Written {
    /// Asks the server; `None` where this user may not.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn now(client: &mut Client) -> Result<Option<Self>, FalkorError> {
        match Info::read(client).await {
            Ok(info) => Ok(Some(Self {
                saved: info.number("rdb_last_save_time"),
                since: info.number("rdb_changes_since_last_save"),
            })),
            Err(FalkorError::Forbidden { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes since then; `None` where the server saved its data meanwhile, which begins a new count.
    pub fn after(self, before: Self) -> Option<u64> {
        (self.saved == before.saved).then(|| self.since.checked_sub(before.since)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_counted_unless_the_count_began_anew() {
        let at = |saved, since| Written { saved, since };
        assert_eq!(at(7, 12).after(at(7, 10)), Some(2));
        assert_eq!(at(8, 12).after(at(7, 10)), None);
        assert_eq!(at(7, 1).after(at(7, 10)), None);
    }
}
