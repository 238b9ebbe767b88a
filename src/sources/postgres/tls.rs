//! What a libpq URL says about encryption.

use crate::sources::SourceError;

/// Parameters of a URL about encryption, as libpq and its relatives call them.
const ABOUT_TLS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "sslpassword",
    "sslcrl",
    "sslcrldir",
    "sslsni",
    "sslnegotiation",
    "sslcompression",
    "sslcertmode",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
];

/// Refuses a mistyped parameter about encryption: whoever ignores it asks for none and says nothing.
pub(super) fn unencrypted_by_mistake(url: &str) -> Result<(), SourceError> {
    let url = url::Url::parse(url.trim()).ok();
    let parameters = url.iter().flat_map(url::Url::query_pairs);
    let wrong = parameters.map(|(key, _)| key).find(|key| {
        key.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("ssl")) && !ABOUT_TLS.contains(&&**key)
    });
    match wrong {
        None => Ok(()),
        Some(_) => Err(SourceError::Url {
            reason: "it has a parameter about TLS that is none; `sslmode=require` asks for it".to_owned(),
        }),
    }
}
