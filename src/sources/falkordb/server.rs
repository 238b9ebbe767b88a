//! What a server says of itself: whether anybody wrote, and how a replica stands to its primary.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Client, FalkorError};

/// The numbers and words of `INFO`.
#[derive(Debug)]
pub(super) struct Info(HashMap<String, String>);

impl Info {
    pub(super) async fn read(client: &mut Client) -> Result<Self, FalkorError> {
        let wire = client.command(&["INFO", "server", "memory", "replication", "persistence"], None).await?;
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

/// Whether the server keeps an append-only file, as far as it tells this user.
///
/// FalkorDB 4.22 writes what it makes of constraints into that file again while it loads it, also of a graph that was
/// deleted since, and ends by a fault when it loads that: who deletes a graph there takes the server's next but one start.
pub(super) async fn is_logged(client: &mut Client) -> Result<bool, FalkorError> {
    match Info::read(client).await {
        Err(FalkorError::Forbidden { .. }) => Ok(false),
        info => Ok(info?.number("aof_enabled") > 0),
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

/// How much was written to a server, all its keys taken together, as it counts that itself.
///
/// Every command that changes anything counts, whoever sent it and whatever it changed, and of those that read none does:
/// a property that was set by hand moves no count of a graph, and this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Which server it is, from its start to its end.
    run_id: String,
    /// Which of its databases was read.
    database: i64,
    /// The history its data is of: another one since it was a replica.
    replication_id: String,
    /// Whether it is one, so that all it holds may be replaced without a write.
    is_replica: bool,
    /// How often it saved its data, and when last.
    saves: u64,
    saved: u64,
    /// Writes since then.
    since: u64,
    /// The file that every write is appended to, where it is kept and was up to date.
    file: Option<File>,
}

/// How long an append-only file is, and how often it was rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct File {
    rewrites: u64,
    base: u64,
    bytes: u64,
}

impl Written {
    /// Asks the server; `None` where this user may not, or is not told.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn now(client: &mut Client) -> Result<Option<Self>, FalkorError> {
        let info = match Info::read(client).await {
            Ok(info) => info,
            Err(FalkorError::Forbidden { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let told = ["run_id", "master_replid", "rdb_last_save_time", "rdb_changes_since_last_save"];
        if told.iter().any(|name| info.text(name).is_empty()) {
            return Ok(None);
        }
        let is_appended = info.number("aof_enabled") == 1
            && ["aof_buffer_length", "aof_rewrite_in_progress", "aof_rewrite_scheduled"]
                .iter()
                .all(|pending| info.text(pending) == "0");
        Ok(Some(Self {
            run_id: info.text("run_id").to_owned(),
            database: client.info().redis_settings().db(),
            replication_id: info.text("master_replid").to_owned(),
            is_replica: info.text("role") != "master",
            saves: info.number("rdb_saves"),
            saved: info.number("rdb_last_save_time"),
            since: info.number("rdb_changes_since_last_save"),
            file: is_appended.then(|| File {
                rewrites: info.number("aof_rewrites"),
                base: info.number("aof_base_size"),
                bytes: info.number("aof_current_size"),
            }),
        }))
    }

    /// Writes since then; `None` where the server saved its data meanwhile, which begins a new count.
    pub fn after(&self, before: &Self) -> Option<u64> {
        let counted = |at: &Self| (at.run_id.clone(), at.saves, at.saved);
        (counted(self) == counted(before)).then(|| self.since.checked_sub(before.since)).flatten()
    }

    /// Whether it is certain that nothing was written since then; in words why it is not.
    ///
    /// # Errors
    /// What the server did since, or why it does not tell.
    pub fn unwritten_since(&self, before: &Self) -> Result<(), String> {
        if self.run_id != before.run_id {
            return Err("the server was started again since, or is another one".to_owned());
        }
        if self.database != before.database {
            return Err("it is of another database of the server".to_owned());
        }
        if self.is_replica || self.replication_id != before.replication_id {
            return Err("a replica may be given all it holds anew without counting a write".to_owned());
        }
        match (self.after(before), self.file.zip(before.file)) {
            (Some(0), _) => Ok(()),
            (_, Some((file, earlier))) if file == earlier => Ok(()),
            (Some(writes), _) => Err(format!("the server was written to {writes} times since")),
            (None, Some(_)) => Err("the server wrote to its append-only file since".to_owned()),
            (None, None) => {
                Err("the server saved its data since, which began its count of writes anew, and no \
                append-only file tells both times how far it was written"
                    .to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(saved: u64, since: u64) -> Written {
        Written {
            run_id: "r".to_owned(),
            database: 0,
            replication_id: "h".to_owned(),
            is_replica: false,
            saves: saved,
            saved,
            since,
            file: None,
        }
    }

    #[test]
    fn writes_are_counted_unless_the_count_began_anew() {
        assert_eq!(at(7, 12).after(&at(7, 10)), Some(2));
        assert_eq!(at(8, 12).after(&at(7, 10)), None);
        assert_eq!(at(7, 1).after(&at(7, 10)), None);
        assert_eq!(at(7, 12).after(&Written { run_id: "s".to_owned(), ..at(7, 10) }), None);
    }

    #[test]
    fn nothing_was_written_only_where_that_is_certain() {
        let (base, file) = (at(7, 10), File { rewrites: 1, base: 80, bytes: 90 });
        let kept = |at: Written, bytes| Written { file: Some(File { bytes, ..file }), ..at };
        assert_eq!(base.unwritten_since(&base), Ok(()));
        // A save begins the count anew, and not the file.
        assert_eq!(kept(at(8, 0), 90).unwritten_since(&kept(base.clone(), 90)), Ok(()));
        // A key that lapsed is appended and not counted.
        assert_eq!(kept(at(7, 10), 95).unwritten_since(&kept(base.clone(), 90)), Ok(()));
        let unsure = [
            (at(7, 11), "written to 1 times"),
            (at(8, 10), "saved its data"),
            (at(7, 9), "saved its data"),
            (Written { saves: 9, ..at(7, 10) }, "saved its data"),
            (kept(at(8, 0), 90), "saved its data"),
            (Written { run_id: "s".to_owned(), ..base.clone() }, "started again"),
            (Written { database: 1, ..base.clone() }, "another database"),
            (Written { replication_id: "i".to_owned(), ..base.clone() }, "a replica"),
            (Written { is_replica: true, ..base.clone() }, "a replica"),
        ];
        for (now, why) in unsure {
            let told = now.unwritten_since(&base).expect_err(why);
            assert!(told.contains(why), "{told}");
        }
        let grown = kept(at(8, 0), 91).unwritten_since(&kept(base, 90));
        assert!(grown.expect_err("it grew").contains("append-only file"));
    }
}
