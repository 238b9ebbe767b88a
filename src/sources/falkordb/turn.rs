//! One new index or constraint at a time on a whole server.
//!
//! A server builds them on one thread, whoever asked and for whichever graph. In 4.22.1 that thread wakes from a piece
//! that it has done already, takes the next one from an empty queue, and the server dies of it: whoever queues a piece
//! signals only afterwards, and where the thread is awake it may be done before that. A piece that is queued while the
//! thread sleeps cannot be. So whoever makes one has the turn until it is built.

use std::time::{Duration, Instant};

use super::{Client, FalkorError, lock};

/// Of the whole server: the thread is one for all graphs.
const KEY: &str = "sonograph:schema";

/// A turn lapses after this, should its holder be killed.
const TTL: Duration = Duration::from_secs(3);

const POLL: Duration = Duration::from_millis(3);

/// How long the thread takes from a piece that is built to its sleep; a guess, and a large one.
const TO_SLEEP: Duration = Duration::from_millis(2);

/// Runs `make`, which has a piece built and waits for it, while nobody else does so.
///
/// A turn is a courtesy and no right: where the user may not touch the key, or another's does not end, this goes on.
///
/// # Errors
/// What `make` says.
pub(super) async fn alone<T>(
    client: &mut Client,
    make: impl AsyncFnOnce(&mut Client) -> Result<T, FalkorError>,
) -> Result<T, FalkorError> {
    let (mine, began) = (format!("{:016x}", rand::random::<u64>()), Instant::now());
    let px = TTL.as_millis().to_string();
    let held = loop {
        match client.command(&["SET", KEY, &mine, "NX", "PX", &px], None).await {
            Ok(redis::Value::Okay) => break true,
            Err(FalkorError::Forbidden { message, .. }) => {
                tracing::debug!(
                    key = KEY,
                    refusal = message,
                    "no turn at building indexes: going on beside others"
                );
                break false;
            }
            Err(error) => return Err(error),
            Ok(_) if began.elapsed() > TTL => break false,
            Ok(_) => tokio::time::sleep(POLL).await,
        }
    };
    let made = make(client).await;
    if held {
        tokio::time::sleep(TO_SLEEP).await;
        let delete = redis::cmd("DEL").arg(KEY).to_owned();
        // Where it cannot be given back, it lapses.
        let _ = lock::where_ours(&mut client.connection(), KEY, &mine, &delete).await;
    }
    made
}
