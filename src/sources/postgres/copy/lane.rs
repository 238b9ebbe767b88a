//! A connection for the rows of a `COPY`, read by a thread of its own.
//!
//! The server sends rows in pieces of 8 KiB. The driver is woken for each of them, which costs more than decoding the rows does;
//! a thread that sleeps until more have come takes many at one go. Where a connection needs what only the driver knows (TLS, Unix sockets, other ways to log in), there is no lane,
//! and the driver reads.

use std::io::{self, ErrorKind, Read, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use percent_encoding::percent_decode_str;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::sync::Semaphore;

use super::link;
use super::messages::{Broken, Messages, garbled, told};
use crate::sources::SourceError;
use crate::sources::postgres::client::{self, CONNECT_TIMEOUT};
use crate::sources::postgres::failure::failure;

/// What is taken at one go at most: what one core's cache keeps while it is decoded.
const BUFFER: usize = 128 << 10;

/// How long rows are left to gather.
const NAP: Duration = Duration::from_millis(1);

/// How often it is looked for whether anybody still wants rows, while none come.
const LISTEN: Duration = Duration::from_millis(100);

/// Logged in, and within one read-only transaction that sees what another one does.
pub(super) struct Lane {
    messages: Messages<Line>,
    place: String,
    user: String,
    /// What is read.
    what: String,
}

impl Lane {
    /// Up to `wanted` lanes within the exported `snapshot`; fewer, or none, where the driver should read.
    ///
    /// They end within [`LISTEN`] once `over` is closed.
    pub(super) fn open(url: &str, snapshot: &str, wanted: usize, over: &Arc<Semaphore>) -> Vec<Self> {
        let opened = (0..wanted).map_while(|_| match Self::follow(url, snapshot, Arc::clone(over)) {
            Ok(lane) => Some(lane),
            Err(why) => {
                tracing::debug!(%why, "the driver reads");
                None
            }
        });
        opened.collect()
    }

    fn follow(url: &str, snapshot: &str, over: Arc<Semaphore>) -> Result<Self, SourceError> {
        let (options, place) = client::options(url)?;
        let stream = match connect(&options) {
            Ok(stream) => stream,
            Err(source) => return Err(SourceError::Unreachable { place, source }),
        };
        let patience = Some(Instant::now() + CONNECT_TIMEOUT);
        let mut lane = Self {
            messages: Messages::of(Line { stream, full: false, patience, over }, BUFFER),
            place,
            user: options.get_username().to_owned(),
            what: "the snapshot of the first connection".to_owned(),
        };
        let begun = lane.log_in(&options).and_then(|()| lane.execute(&link::following(snapshot)));
        begun.and_then(|()| lane.execute(link::NOTICE_OUR_END)).map_err(|broken| lane.failure(broken))?;
        lane.messages.source().patience = None;
        Ok(lane)
    }

    fn failure(&self, broken: Broken) -> SourceError {
        match broken {
            Broken::Told(told) => told.failure(&self.place, &self.user, &self.what),
            Broken::Io(error) => failure(&self.place, &self.user, error.into(), &self.what),
        }
    }

    fn log_in(&mut self, options: &PgConnectOptions) -> Result<(), Broken> {
        let mut parameters = vec![
            ("user", options.get_username()),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"),
            ("TimeZone", "UTC"),
        ];
        parameters.extend(options.get_database().map(|name| ("database", name)));
        parameters.extend(options.get_application_name().map(|name| ("application_name", name)));
        parameters.extend(options.get_options().map(|settings| ("options", settings)));
        self.send(|out| frontend::startup_message(parameters, out))?;
        let password = password(options);
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        loop {
            let (kind, content) = self.messages.next()?;
            match kind {
                b'R' => {
                    let (method, rest) = content.split_first_chunk().ok_or_else(garbled)?;
                    let (method, asked) = (i32::from_be_bytes(*method), rest.to_vec());
                    self.prove(method, &asked, &password, &mut scram)?;
                }
                b'E' => return Err(Broken::Told(told(content))),
                b'Z' => return Ok(()),
                _ => {}
            }
        }
    }

    /// Answers what the server asks to know who is there.
    fn prove(
        &mut self,
        method: i32,
        asked: &[u8],
        password: &str,
        scram: &mut ScramSha256,
    ) -> io::Result<()> {
        match method {
            0 => Ok(()),
            3 => self.send(|out| frontend::password_message(password.as_bytes(), out)),
            5 => {
                let salt = asked.try_into().map_err(|_| garbled())?;
                let hash = md5_hash(self.user.as_bytes(), password.as_bytes(), salt);
                self.send(|out| frontend::password_message(hash.as_bytes(), out))
            }
            10 if asked.split(|byte| *byte == 0).any(|name| name == SCRAM_SHA_256.as_bytes()) => {
                self.send(|out| frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), out))
            }
            11 => {
                scram.update(asked)?;
                self.send(|out| frontend::sasl_response(scram.message(), out))
            }
            12 => scram.finish(asked),
            _ => Err(unlike("a way to log in that only the driver may know")),
        }
    }

    /// Runs statements whose answer is of no interest.
    fn execute(&mut self, sql: &str) -> Result<(), Broken> {
        self.send(|out| frontend::query(sql, out))?;
        self.messages.rows(|_| ControlFlow::<()>::Continue(())).map(drop)
    }

    /// Begins a `COPY … TO STDOUT` of `what`. It is read to its end, or the lane is of no use.
    pub(super) fn copy(&mut self, sql: &str, what: &str) -> Result<(), SourceError> {
        what.clone_into(&mut self.what);
        self.send(|out| frontend::query(sql, out)).map_err(|error| self.failure(error.into()))
    }

    /// Hands `take` the bytes of the copy as they come until it breaks off, and answers with what; `None` at the end of the
    /// copy. Blocks the thread.
    pub(super) fn until<T>(
        &mut self,
        take: impl FnMut(&[u8]) -> ControlFlow<T>,
    ) -> Result<Option<T>, SourceError> {
        self.messages.rows(take).map_err(|broken| self.failure(broken))
    }

    fn send(&mut self, write: impl FnOnce(&mut BytesMut) -> io::Result<()>) -> io::Result<()> {
        let mut out = BytesMut::new();
        write(&mut out)?;
        self.messages.source().stream.write_all(&out)
    }

    /// Ends the transaction and the connection.
    pub(super) fn close(mut self) {
        // Nothing was written: a connection that breaks now has lost nothing.
        drop(self.send(|out| {
            frontend::terminate(out);
            Ok(())
        }));
    }
}

/// A connection whose reader lets bytes gather, and looks up while none come.
struct Line {
    stream: TcpStream,
    /// The last time as many bytes had come as there was room for.
    full: bool,
    /// When a server that does not answer is given up.
    patience: Option<Instant>,
    /// Closed once nobody wants rows any more.
    over: Arc<Semaphore>,
}

impl Read for Line {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.over.is_closed() {
                return Err(io::Error::new(ErrorKind::ConnectionAborted, "nobody wants the rows any more"));
            }
            if self.patience.is_some_and(|end| Instant::now() > end) {
                return Err(ErrorKind::TimedOut.into());
            }
            if !self.full {
                std::thread::sleep(NAP);
            }
            match self.stream.read(room) {
                Err(error) if is_none_yet(&error) => {}
                read => {
                    self.full = read.as_ref().is_ok_and(|read| *read == room.len());
                    return read;
                }
            }
        }
    }
}

fn is_none_yet(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn unlike(why: &str) -> io::Error {
    io::Error::new(ErrorKind::Unsupported, why)
}

/// Connects where the driver would without TLS.
fn connect(options: &PgConnectOptions) -> io::Result<TcpStream> {
    // As in URLs, an IPv6 address may stand in brackets; a path is a socket's.
    let host = options.get_host().trim_matches(['[', ']']);
    if options.get_socket().is_some() || host.starts_with('/') {
        return Err(unlike("a Unix socket"));
    }
    let asks = match options.get_ssl_mode() {
        PgSslMode::Disable | PgSslMode::Allow => false,
        PgSslMode::Prefer => true,
        PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => return Err(unlike("TLS")),
    };
    let mut last = ErrorKind::AddrNotAvailable.into();
    for address in (host, options.get_port()).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => return plain(stream, asks),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The connection, unless the server, where it is asked, prefers TLS.
fn plain(mut stream: TcpStream, asks: bool) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    if asks {
        let mut request = BytesMut::new();
        frontend::ssl_request(&mut request);
        stream.write_all(&request)?;
        let mut answer = [0];
        stream.set_read_timeout(Some(CONNECT_TIMEOUT))?;
        stream.read_exact(&mut answer)?;
        if answer != *b"N" {
            return Err(unlike("TLS"));
        }
    }
    stream.set_read_timeout(Some(LISTEN))?;
    Ok(stream)
}

/// The password of the URL, the environment or the password file, as the driver found it.
fn password(options: &PgConnectOptions) -> String {
    // Only by way of a URL does the driver tell it, and not every name can be part of one.
    let url = options.clone().host("localhost").username("sonograph").to_url_lossy();
    percent_decode_str(url.password().unwrap_or_default()).decode_utf8_lossy().into_owned()
}
