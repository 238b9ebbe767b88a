//! Registrable domains, and the hosts that name nobody.

use std::net::Ipv4Addr;

use super::hosts::{FREE_MAIL, SHARED_HOSTS};
use super::{CanonicalId, MOST_READ, clean, split_host, split_scheme};

/// The list of public suffixes that is compiled in: the crate that holds it, and its version. The crate is published anew
/// whenever the list changes and tells no other date.
pub const SUFFIX_LIST: &str = "psl 2.1.247";

/// An entry that is given as a shared host and is none. Its text is not told: in a configuration it may be anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {nth} {reason}")]
pub struct MalformedHost {
    /// Which of the entries, from 1.
    pub nth: usize,
    /// Why it is none.
    pub reason: &'static str,
}

/// Domains that name no organisation: the built-in lists and what an installation adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SharedHosts {
    more: Vec<String>,
}

impl SharedHosts {
    /// The built-in lists and `more`, each a domain, with all below it, or `name.*` for any suffix.
    ///
    /// # Errors
    /// For the first entry that is neither, and for one that stands for a whole suffix such as `co.uk`.
    pub fn with(more: impl IntoIterator<Item = String>) -> Result<Self, MalformedHost> {
        let more = more
            .into_iter()
            .zip(1..)
            .map(|(entry, nth)| shared_host(&entry).map_err(|reason| MalformedHost { nth, reason }))
            .collect::<Result<_, _>>()?;
        Ok(Self { more })
    }

    fn holds(&self, host: &str) -> bool {
        let names = SHARED_HOSTS.iter().chain(FREE_MAIL).copied().chain(self.more.iter().map(String::as_str));
        for pattern in names {
            let found = match pattern.strip_suffix(".*") {
                // `eventbrite.co.uk` is registrable, so its first label is the whole name.
                Some(name) => registrable(host).and_then(|d| d.split('.').next()) == Some(name),
                None => host.strip_suffix(pattern).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
            };
            if found {
                return true;
            }
        }
        false
    }
}

/// A shared host in its one spelling, or why it is none.
fn shared_host(entry: &str) -> Result<String, &'static str> {
    let text = clean(entry).to_lowercase();
    let text = text.strip_suffix('.').unwrap_or(&text);
    if let Some(name) = text.strip_suffix(".*") {
        return match in_ascii(name) {
            Some(name) if !name.contains('.') && is_plain(&name) => Ok(format!("{name}.*")),
            _ => Err("has more before `.*` than one name"),
        };
    }
    let Some(ascii) = in_ascii(text).filter(|ascii| is_plain(ascii)) else {
        return Err("is no domain; write it like `example.com`, or `example.*` for any suffix");
    };
    let is_public = psl::suffix(ascii.as_bytes()).is_some_and(|s| s.typ() != Some(psl::Type::Private));
    if registrable(&ascii).is_none() && is_public {
        return Err("is a whole public suffix, under which everybody would be the same");
    }
    Ok(ascii)
}

/// A host of letters, digits and hyphens; none for an IP address and what is no host at all.
fn in_ascii(host: &str) -> Option<String> {
    // No host is that long in any script, and turning one into ASCII takes the square of its length.
    if host.is_empty() || host.len() > 1024 || host.contains([':', '[', ']', '%', '/', '@', '*']) {
        return None;
    }
    let ascii = idna::domain_to_ascii_cow(host.as_bytes(), idna::AsciiDenyList::URL).ok()?;
    let ascii = ascii.strip_suffix('.').unwrap_or(&ascii);
    let labels = || ascii.split('.');
    if ascii.len() > 253
        || labels().any(|l| l.is_empty() || l.len() > 63)
        || labels().next_back().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()))
        || ascii.parse::<Ipv4Addr>().is_ok()
    {
        return None;
    }
    Some(ascii.to_owned())
}

/// The registrable domain of a host that is already in ASCII.
fn registrable(host: &str) -> Option<&str> {
    psl::domain_str(host)
}

/// Whether a name is of lower-case letters, digits, hyphens and dots: what can be registered is.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
}

/// The registrable domain that a URL, host or e-mail belongs to, in ASCII; none for an IP, a single label, a bare public
/// suffix, and for hosts shared by many (`shared`).
pub fn domain(raw: &str, shared: &SharedHosts) -> Option<CanonicalId> {
    let (host, name) = registered(raw)?;
    (!shared.holds(&host) && !shared.holds(&name)).then_some(CanonicalId(name))
}

/// Whether a URL, host or e-mail has a registrable domain, and many share it.
pub fn is_shared(raw: &str, shared: &SharedHosts) -> bool {
    registered(raw).is_some_and(|(host, name)| shared.holds(&host) || shared.holds(&name))
}

/// The host in ASCII, and its registrable domain.
fn registered(raw: &str) -> Option<(String, String)> {
    if raw.len() > MOST_READ {
        return None;
    }
    let text = clean(raw);
    let (_, rest) = split_scheme(&text);
    let (host, _) = split_host(rest);
    let host = in_ascii(host)?;
    let name = registrable(&host).filter(|name| is_plain(name))?.to_owned();
    Some((host, name))
}
