//! Web pages that are shared.

use std::borrow::Cow;

use super::contacts::{holds_contact, holds_email, masked};
use super::tokens::{hashed, hashed_tokens};
use super::{LONGEST, MOST_READ, clean, percent_decoded};

/// Query parameters that say how somebody came to a page, not which page it is.
fn is_tracking(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key.starts_with("utm_")
        || matches!(
            key.as_str(),
            "fbclid"
                | "gclid"
                | "dclid"
                | "gbraid"
                | "wbraid"
                | "msclkid"
                | "ttclid"
                | "twclid"
                | "yclid"
                | "igshid"
                | "igsh"
                | "mc_cid"
                | "mc_eid"
                | "_ga"
                | "_gl"
                | "si"
        )
}

/// Words in the names of query parameters that let somebody in or say who somebody is.
const SECRETS: [&str; 33] = [
    "apikey",
    "appkey",
    "auth",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "credentials",
    "csrf",
    "email",
    "hmac",
    "jwt",
    "mail",
    "mobile",
    "msisdn",
    "oob",
    "otp",
    "passwd",
    "password",
    "phone",
    "phpsessid",
    "pwd",
    "resourcekey",
    "rlkey",
    "secret",
    "sessid",
    "sessionid",
    "sid",
    "sig",
    "signature",
    "tel",
    "token",
    "whatsapp",
];

/// Words that may name as well what a page is about: the hash stands for a value that is no word.
const HIDDEN: [&str; 12] = [
    "access", "code", "hash", "key", "nonce", "pass", "pin", "redirect", "session", "state", "ticket", "uid",
];

/// What a path says of all that follows where that lets somebody in; `-`, `_` and `.` between its words may be left out.
const DOORS: [&str; 32] = [
    "acceptinvite",
    "activate",
    "activation",
    "confirm",
    "confirmation",
    "confirmemail",
    "emailconfirmation",
    "emailverification",
    "forgot",
    "forgotpassword",
    "impersonate",
    "jwt",
    "magiclink",
    "onetime",
    "optout",
    "otp",
    "passwordreset",
    "preferences",
    "recover",
    "recovery",
    "reset",
    "resetpassword",
    "setpassword",
    "sso",
    "token",
    "tokens",
    "unsubscribe",
    "validate",
    "verification",
    "verify",
    "verifyemail",
    "webhook",
];

/// What may as well be a part of a site: of what follows, the hash stands for what is no word.
const DOORS_OR_ROOMS: [&str; 13] = [
    "auth",
    "callback",
    "hooks",
    "invitation",
    "invitations",
    "invite",
    "invites",
    "join",
    "login",
    "magic",
    "secret",
    "session",
    "signin",
];

/// Whether a text is made of words and numbers as titles are, not of letters and digits in one.
fn is_words(text: &str) -> bool {
    let is_word = |part: &str| {
        part.chars().all(char::is_alphabetic) || part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit())
    };
    text.split(['-', '_', '.', '+', ' ']).all(is_word) && text.len() < 80
}

/// How far what follows in a path lets somebody in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Behind {
    Nothing,
    DoorOrRoom,
    Door,
}

impl Behind {
    fn of(segment: &str) -> Self {
        let plain = |c: &char| !matches!(c, '-' | '_' | '.');
        let name: String = percent_decoded(segment).to_ascii_lowercase().chars().filter(plain).collect();
        if DOORS.contains(&name.as_str()) {
            Self::Door
        } else if DOORS_OR_ROOMS.contains(&name.as_str()) {
            Self::DoorOrRoom
        } else {
            Self::Nothing
        }
    }
}

/// A path as it may be told: the hash stands for a token and for what stands behind a door.
fn told_path(path: &str) -> String {
    let mut behind = Behind::Nothing;
    let told = |segment| {
        // Of `token:abc` and `reset%2Fabc` the first word is the door, too.
        let decoded = percent_decoded(segment);
        let itself = match decoded.split_once(['/', ':', ',', '=', ';']) {
            Some((word, _)) => Behind::of(word),
            None => Behind::Nothing,
        };
        let holds_secret = decoded.split(';').any(|pair| pair.contains('=') && is_somebodys(pair));
        let told = match behind.max(itself) {
            _ if segment.is_empty() => Cow::Borrowed(segment),
            Behind::Door => Cow::Owned(hashed(segment)),
            _ if holds_secret => Cow::Owned(hashed(segment)),
            Behind::DoorOrRoom if !is_words(&decoded) => Cow::Owned(hashed(segment)),
            _ => hashed_tokens(segment),
        };
        behind = behind.max(Behind::of(segment));
        told
    };
    path.split('/').map(told).collect::<Vec<_>>().join("/")
}

/// The words of a key: `accessToken`, `access_token` and `access.token` have two.
fn words_of(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for c in key.chars() {
        if !c.is_alphanumeric() || c.is_uppercase() && was_small {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words.last_mut().expect("there is one").extend(c.to_lowercase());
        }
        was_small = c.is_lowercase();
    }
    words
}

fn is_named(key: &str, words: &[&str]) -> bool {
    let key = words_of(key);
    // `api_key` is `apikey`, too.
    let pairs = key.windows(2).map(<[String]>::concat);
    key.iter().cloned().chain(pairs).any(|word| words.contains(&word.as_str()))
}

/// Whether a decoded parameter is somebody's and no part of the page's address.
fn is_somebodys(pair: &str) -> bool {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    is_named(key, &SECRETS)
        // A signed token that names itself by no key.
        || (value.starts_with("eyJ") && value.matches('.').count() >= 2)
        || [key, value].into_iter().any(holds_email)
}

/// A query parameter as it may be told, if at all.
fn told_parameter(pair: &str) -> Option<Cow<'_, str>> {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    let [key, decoded] = [key, value].map(percent_decoded);
    if pair.is_empty() || is_tracking(&key) || is_somebodys(&format!("{key}={decoded}")) {
        return None;
    }
    let is_hidden = is_named(&key, &HIDDEN) && !is_words(&decoded);
    // A `+` of a query may be a space. Where to go next may be an address with a token in it.
    let holds_other = holds_contact(&decoded) || holds_contact(&decoded.replace('+', " "));
    let leads_on = decoded.contains('/') && (told_path(&decoded) != decoded || decoded.contains('?'));
    if is_hidden || holds_other || leads_on || holds_contact(&key) {
        return Some(Cow::Owned(match value {
            "" => hashed(pair),
            _ => format!("{}={}", &pair[..pair.len() - value.len() - 1], hashed(value)),
        }));
    }
    Some(hashed_tokens(pair))
}

/// A web address in its one spelling: host in lower case, no default port, no user, no fragment, no tracking parameters,
/// none that are somebody's by their name or an e-mail address in them, the remaining parameters in order, no trailing slash.
/// The hash stands for a token or telephone number elsewhere, so that two such pages stay two. None for what is no `http` or
/// `https` address, holds an e-mail address in its path, or is longer than [`LONGEST`].
pub fn content_url(raw: &str) -> Option<String> {
    if raw.len() > MOST_READ {
        return None;
    }
    let text = clean(raw);
    let mut url = url::Url::parse(&text).ok().filter(|u| matches!(u.scheme(), "http" | "https"))?;
    url.set_fragment(None);
    url.set_username("").and_then(|()| url.set_password(None)).ok()?;
    let mut kept: Vec<Cow<'_, str>> =
        url.query().unwrap_or_default().split('&').filter_map(told_parameter).collect();
    kept.sort_unstable();
    let query = (!kept.is_empty()).then(|| kept.join("&"));
    url.set_query(query.as_deref());
    let path = told_path(url.path());
    if path != url.path() {
        url.set_path(&path);
    }
    let mut text = url.to_string();
    if url.query().is_none() {
        text.truncate(text.trim_end_matches('/').len());
    }
    let path = percent_decoded(url.path());
    (text.len() <= LONGEST && masked(&path) == path && masked(&text) == text).then_some(text)
}
