//! URLs that hold credentials.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{ConfigError, environment};

/// A URL with credentials: printing it shows scheme, host, port and path only.
#[derive(Clone)]
pub struct SecretUrl {
    secret: SecretString,
    shown: String,
}

impl SecretUrl {
    /// Takes the URL in the environment variable `name`.
    pub fn from_env(name: &str, system: &'static str) -> Result<Self, ConfigError> {
        let text = environment::text(name, std::env::var_os(name))?
            .filter(|t| !t.trim().is_empty())
            .ok_or_else(|| ConfigError::MissingUrl { name: name.to_owned(), system })?;
        Self::parse(&text).map_err(|reason| ConfigError::Url { name: name.to_owned(), system, reason })
    }

    /// Takes a URL as text.
    pub fn parse(text: &str) -> Result<Self, url::ParseError> {
        let url = Url::parse(text.trim())?;
        let port = url.port().map(|p| format!(":{p}")).unwrap_or_default();
        let host = url.host_str().unwrap_or_default();
        let shown = format!("{}://{host}{port}{}", url.scheme(), url.path());
        Ok(Self { secret: SecretString::from(text.trim().to_owned()), shown })
    }

    /// The URL with its credentials, for whoever opens the connection.
    pub fn expose(&self) -> &str {
        self.secret.expose_secret()
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_credentials() {
        let url =
            SecretUrl::parse("postgresql://ana:s3cret@db.example:5433/sonik?sslmode=require").expect("valid");
        assert_eq!(
            format!("{url} {url:?}"),
            "postgresql://db.example:5433/sonik postgresql://db.example:5433/sonik"
        );
        assert!(url.expose().contains("s3cret"));
    }
}
