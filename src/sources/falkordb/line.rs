//! A connection of its own for reading a whole graph: blocking, over plain TCP, its answers read as they arrive.

use std::fmt::{self, Write as _};
use std::io::{self, BufReader, ErrorKind, Read, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use redis::{ConnectionAddr, ConnectionInfo, RedisError, Value as Tree};

use super::FalkorError;
use super::client::{CONNECT, RESPONSE};
use super::wire::{Wire, WireError};
use crate::context::{Cancelled, Context};

/// Bytes that are asked of the network at once.
const BUFFER: usize = 256 * 1024;

/// How often somebody who waits looks whether to go on.
const LOOK: Duration = Duration::from_millis(100);

/// Where a line leads, and as whom; never shown.
#[derive(Clone)]
pub(super) struct Place {
    host: String,
    port: u16,
    database: i64,
    user: Option<String>,
    password: Option<String>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl Place {
    /// Where a client is connected to; `None` where that is not by plain TCP.
    pub(super) fn of(info: &ConnectionInfo) -> Option<Self> {
        let ConnectionAddr::Tcp(host, port) = info.addr() else { return None };
        let settings = info.redis_settings();
        Some(Self {
            host: host.clone(),
            port: *port,
            database: settings.db(),
            user: settings.username().map(str::to_owned),
            password: settings.password().map(str::to_owned),
        })
    }

    fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// What went wrong with `doing`, in the words of the room.
    pub(super) fn error(&self, error: WireError, graph: &str, doing: &str) -> FalkorError {
        let error = match error {
            WireError::Io(error) if is_cancelled(&error) => return FalkorError::Cancelled(Cancelled),
            WireError::Io(error) => RedisError::from(error),
            WireError::Shape { .. } => {
                return FalkorError::Reply { doing: doing.to_owned(), reason: error.to_string() };
            }
            WireError::Refused(line) => match redis::parse_redis_value(&line) {
                Ok(Tree::ServerError(error)) => error.into(),
                Ok(_) => {
                    return FalkorError::Reply { doing: doing.to_owned(), reason: "it is no error".into() };
                }
                Err(error) => error,
            },
        };
        FalkorError::of(error, &self.address(), Some(graph), doing)
    }
}

/// Whether the connection ended because somebody asked to stop.
pub(super) fn is_cancelled(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Cancelled>)
}

/// Reads that wait long, but end soon once somebody asks to stop.
#[derive(Debug)]
pub(super) struct Patient {
    stream: TcpStream,
    cx: Context,
}

impl Read for Patient {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut waited = Duration::ZERO;
        loop {
            match self.stream.read(into) {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    self.cx.check().map_err(io::Error::other)?;
                    waited += LOOK;
                    if waited >= RESPONSE {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                done => return done,
            }
        }
    }
}

/// The connection.
#[derive(Debug)]
pub(super) struct Line {
    wire: Wire<BufReader<Patient>>,
    /// How long the shortest answer takes.
    trip: Duration,
    /// What was asked ahead and is not answered yet.
    ahead: Option<Vec<u8>>,
    /// When the answer before began to come.
    answered: Instant,
}

impl Line {
    pub(super) fn connect(place: &Place, cx: &Context) -> Result<Self, WireError> {
        let mut failed = io::Error::from(ErrorKind::AddrNotAvailable);
        let mut reached = None;
        for address in (place.host.as_str(), place.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(stream) => {
                    reached = Some(stream);
                    break;
                }
                Err(error) => failed = error,
            }
        }
        let stream = reached.ok_or(failed)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LOOK))?;
        stream.set_write_timeout(Some(CONNECT))?;
        let patient = Patient { stream, cx: cx.clone() };
        let wire = Wire::new(BufReader::with_capacity(BUFFER, patient));
        let mut line = Self { wire, trip: Duration::ZERO, ahead: None, answered: Instant::now() };
        if let Some(password) = &place.password {
            let user = place.user.as_deref();
            let words: Vec<&str> = ["AUTH"].into_iter().chain(user).chain([password.as_str()]).collect();
            line.ask(&words)?.tree()?;
        }
        if place.database != 0 {
            line.ask(&["SELECT", &place.database.to_string()])?.tree()?;
        }
        // Who may not be named is not.
        let began = Instant::now();
        match line.ask(&["CLIENT", "SETNAME", &format!("sonograph-{}", std::process::id())])?.tree() {
            Ok(_) | Err(WireError::Refused(_)) => line.trip = began.elapsed(),
            Err(error) => return Err(error),
        }
        Ok(line)
    }

    /// Sends a command and waits for its answer to begin.
    pub(super) fn ask(&mut self, words: &[&str]) -> Result<&mut Wire<BufReader<Patient>>, WireError> {
        self.timed(words, None).map(|(wire, _)| wire)
    }

    /// [`Line::ask`], and how long the server took to answer, in milliseconds; then `ahead` is asked without waiting for
    /// the end of the answer. What was asked ahead and is not what is asked next is asked in vain.
    ///
    /// It answers a query only once it has let go of the graph, so that this tells more than its own report, which leaves
    /// out the fetching and the printing of what is returned. It begins with what was asked ahead when it begins to send
    /// the answer before.
    pub(super) fn timed(
        &mut self,
        words: &[&str],
        ahead: Option<&[&str]>,
    ) -> Result<(&mut Wire<BufReader<Patient>>, f64), WireError> {
        let said = command(words);
        let began = match self.ahead.take() {
            Some(asked) if asked == said => self.answered,
            asked => {
                if asked.is_some() {
                    self.wire.begin()?;
                    self.wire.tree()?;
                }
                let began = Instant::now();
                self.send(&said)?;
                began + self.trip
            }
        };
        if let Some(words) = ahead {
            let said = command(words);
            self.send(&said)?;
            self.ahead = Some(said);
        }
        self.wire.begin()?;
        self.answered = Instant::now();
        let took = self.answered.saturating_duration_since(began);
        Ok((&mut self.wire, took.as_secs_f64() * 1e3))
    }

    fn send(&mut self, said: &[u8]) -> io::Result<()> {
        self.wire.source().get_mut().stream.write_all(said)
    }
}

/// A command as it is sent.
fn command(words: &[&str]) -> Vec<u8> {
    let mut said = format!("*{}\r\n", words.len());
    for word in words {
        // Writing to a text does not fail.
        let _ = write!(said, "${}\r\n{word}\r\n", word.len());
    }
    said.into_bytes()
}
