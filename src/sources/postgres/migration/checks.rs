//! The list of checks: two surveys in, findings out.

use std::collections::{BTreeMap, BTreeSet};

use super::structure::{self, Rule, STRUCTURE};
use super::survey::{Extension, Item, LARGE_OBJECTS, Survey};
use super::verdict::{Check, Status, Verdict, named};
use super::{data, survey};
use crate::sources::postgres::client::TARGET;

/// Extensions that a hosted upgrade is known to stumble over.
const STUMBLING: &[&str] = &["plv8", "timescaledb", "pgjwt", "pg_cron"];

/// Compares where the data comes from with where it went; `more`: checks of something else that count as well.
pub fn compare(from: &Survey, to: &Survey, more: Vec<Check>) -> Verdict {
    let loosely = from.major() != to.major();
    let mut checks = vec![server(from, to), encoding(from, to), inventory(from, to)];
    checks.extend(
        STRUCTURE.iter().map(|rule| structure::compare(*rule, &from.inventory, &to.inventory, loosely)),
    );
    checks.extend(hidden(from, to));
    checks.extend(data::tables(from, to));
    checks.push(data::sequences(from, to));
    checks.push(extensions(from, to));
    checks.push(obstacles(from));
    checks.extend(flaws(from, to));
    checks.push(collations(to));
    checks.extend(leftovers(from, to));
    checks.push(publications(from, to));
    checks.push(statistics(to));
    checks.extend(access(from, to));
    checks.push(passwords(to));
    checks.extend(more);
    let told = |side: &Survey| format!("PostgreSQL {} at {}", side.version, side.place);
    Verdict::of(told(from), told(to), checks)
}

fn server(from: &Survey, to: &Survey) -> Check {
    let status = if to.major() < TARGET || to.version_number < from.version_number {
        Status::Fail
    } else {
        Status::Ok
    };
    let found = format!(
        "{} → {} (server_version_num {} → {})",
        from.version, to.version, from.version_number, to.version_number
    );
    Check::new("server version", status, found)
        .hint(format!("the new side is to be PostgreSQL {TARGET} or newer"))
}

fn encoding(from: &Survey, to: &Survey) -> Check {
    let mut found = vec![format!("{}, {}", to.encoding, to.locale)];
    let mut status = Status::Ok;
    if from.locale != to.locale {
        status = Status::Warn;
        found.push(format!("was {}: text may sort differently", from.locale));
    }
    if from.encoding != to.encoding {
        status = Status::Fail;
        found.push(format!("was {}", from.encoding));
    }
    Check::new("encoding and locale", status, found.join("; "))
        .hint("CREATE DATABASE … ENCODING … LOCALE … TEMPLATE template0, as the source says")
}

/// Two queries that fail, or two empty databases, compare equal.
fn inventory(from: &Survey, to: &Survey) -> Check {
    let tables = |side: &Survey| Survey::of_kind(&side.inventory, "table").len();
    let empty: Vec<String> =
        [from, to].into_iter().filter(|side| tables(side) == 0).map(|side| side.place.clone()).collect();
    if empty.is_empty() {
        let found = format!("{} → {} pieces", from.inventory.len(), to.inventory.len());
        return Check::new("inventory", Status::Ok, found);
    }
    Check::new("inventory", Status::Fail, format!("no tables at {}", empty.join(" and ")))
        .hint("check the names of the databases and of --schema: there is nothing to compare")
}

fn extensions(from: &Survey, to: &Survey) -> Check {
    let new: BTreeMap<&str, &Extension> = to.extensions.iter().map(|e| (e.name.as_str(), e)).collect();
    let (mut status, mut details) = (Status::Ok, Vec::new());
    for was in &from.extensions {
        let (worth, said) = match new.get(was.name.as_str()) {
            None => (Status::Fail, format!("{} {} is missing", was.name, was.version)),
            Some(is) if is.version != was.version => {
                (Status::Warn, format!("{} {} → {}", was.name, was.version, is.version))
            }
            Some(_) => continue,
        };
        let postgis = was.name.starts_with("postgis");
        let note = if postgis { ": Directus geometry fields live on it" } else { "" };
        details.push(format!("{said}{note}"));
        status = status.max(worth);
    }
    for is in &to.extensions {
        let stale = is.available.as_ref().filter(|at_hand| **at_hand != is.version);
        if let Some(at_hand) = stale {
            details.push(format!("{} is at {}, the server has {at_hand}", is.name, is.version));
            status = status.max(Status::Warn);
        }
    }
    let found = if details.is_empty() {
        let postgis = if new.contains_key("postgis") { "PostGIS among them" } else { "no PostGIS" };
        format!("{} on both sides, {postgis}", from.extensions.len())
    } else {
        named(&details)
    };
    Check::new("extensions", status, found)
        .hint("CREATE EXTENSION what is missing; ALTER EXTENSION … UPDATE what is older than the server's")
        .details(details)
}

fn obstacles(from: &Survey) -> Check {
    let names = from.extensions.iter().map(|e| e.name.clone());
    let found: Vec<String> = names.filter(|name| STUMBLING.contains(&name.as_str())).collect();
    let status = if found.is_empty() { Status::Ok } else { Status::Warn };
    let said = if found.is_empty() { "none in the source".to_owned() } else { found.join(", ") };
    Check::new("extensions that block hosted upgrades", status, said)
        .hint("ask the host whether its 18 has them before the day of the move")
}

fn flaws(from: &Survey, to: &Survey) -> Vec<Check> {
    let kinds = [
        ("invalid index", "invalid indexes", "REINDEX INDEX CONCURRENTLY, or drop and create it"),
        ("unvalidated constraint", "unvalidated constraints", "ALTER TABLE … VALIDATE CONSTRAINT …"),
        ("unenforced constraint", "unenforced constraints", "ALTER TABLE … ALTER CONSTRAINT … ENFORCED"),
        (
            "disabled foreign key",
            "disabled foreign keys",
            "look for rows without a parent, then ALTER TABLE … ENABLE TRIGGER ALL, on both tables of the key",
        ),
    ];
    let check = |(kind, check, hint): (&str, &str, &str)| {
        let of = |side: &Survey| -> BTreeSet<String> {
            side.flaws.iter().filter(|(k, _)| k == kind).map(|(_, identity)| identity.clone()).collect()
        };
        let (old, new) = (of(from), of(to));
        let mut details: Vec<String> = new.difference(&old).cloned().collect();
        let status = match (details.is_empty(), new.is_empty()) {
            (false, _) => Status::Fail,
            (true, false) => Status::Warn,
            (true, true) => Status::Ok,
        };
        details.extend(new.intersection(&old).map(|name| format!("{name}, as it was in the source")));
        let found =
            if new.is_empty() { "none".to_owned() } else { format!("{}: {}", new.len(), named(&details)) };
        Check::new(check, status, found).hint(hint).details(details)
    };
    kinds.into_iter().map(check).collect()
}

fn collations(to: &Survey) -> Check {
    let check = "collation version";
    let Some(changed) = &to.collations else {
        return Check::new(check, Status::Warn, format!("PostgreSQL {} does not tell", to.version))
            .hint("the check needs version 15 or newer");
    };
    let details: Vec<String> = changed
        .iter()
        .map(|(what, recorded, actual)| format!("{what}: sorted by {recorded}, now {actual}"))
        .collect();
    let (status, found) = if details.is_empty() {
        (Status::Ok, "as recorded".to_owned())
    } else {
        (Status::Fail, named(&details))
    };
    Check::new(check, status, found)
        .hint("REINDEX what holds text, then ALTER DATABASE … REFRESH COLLATION VERSION")
        .details(details)
}

fn leftovers(from: &Survey, to: &Survey) -> Vec<Check> {
    let published: BTreeSet<&str> =
        to.leftovers.iter().filter(|l| l.kind == "publication").map(|l| l.name.as_str()).collect();
    let in_both = |name: &str| {
        published.contains(name) && from.leftovers.iter().any(|l| l.kind == "publication" && l.name == name)
    };
    let kinds = [
        (
            "replication slot",
            "replication slots",
            "once nobody needs it: SELECT pg_drop_replication_slot('…'); it retains WAL",
        ),
        ("publication", "publications on one side", "DROP PUBLICATION, or create it on the other side"),
        (
            "subscription",
            "subscriptions",
            "once the new side has taken over: DROP SUBSCRIPTION (drops its slot too)",
        ),
    ];
    let check = |(kind, check, hint): (&str, &str, &str)| {
        let mut details = Vec::new();
        for side in [from, to] {
            for left in side.leftovers.iter().filter(|left| left.kind == kind) {
                // An installation may have publications of its own: those are to be on both sides.
                if kind == "publication" && in_both(&left.name) {
                    continue;
                }
                let state = if left.state.is_empty() { String::new() } else { format!(", {}", left.state) };
                details.push(format!("{} at {}{state}", left.name, side.place));
            }
        }
        let (status, found) = if details.is_empty() {
            (Status::Ok, "none left".to_owned())
        } else {
            (Status::Warn, named(&details))
        };
        Check::new(check, status, found).hint(hint).details(details)
    };
    kinds.into_iter().map(check).collect()
}

/// What a publication holds, of those that both sides have: one that is on one side only is told by name.
fn publications(from: &Survey, to: &Survey) -> Check {
    let names = |side: &Survey| -> BTreeSet<String> {
        side.publications.iter().map(|piece| piece.publication.clone()).collect()
    };
    let (old, new) = (names(from), names(to));
    let items = |side: &Survey| -> Vec<Item> {
        let pieces = side.publications.iter();
        let pieces = pieces.filter(|p| old.contains(&p.publication) && new.contains(&p.publication));
        let item = |piece: &survey::Published| Item {
            kind: "published".to_owned(),
            identity: format!("{}: {}", piece.publication, piece.piece),
            definition: piece.definition.clone(),
        };
        pieces.map(item).collect()
    };
    let rule = structure::strict(
        "published",
        "contents of publications",
        true,
        "ALTER PUBLICATION … ADD TABLE …, SET (…), as it was",
    );
    structure::compare(rule, &items(from), &items(to), from.major() != to.major())
}

/// What hardly anybody but a superuser sees: what cannot be read has not been compared.
fn hidden(from: &Survey, to: &Survey) -> [Check; 2] {
    let options = |side: &Survey| -> Vec<String> {
        let hidden = Survey::of_kind(&side.inventory, "hidden option");
        hidden.into_iter().map(|item| format!("{} at {}", item.identity, side.place)).collect()
    };
    let objects = |side: &Survey| -> Vec<String> {
        let unread = side.tables.iter().filter(|table| table.name == LARGE_OBJECTS && table.sum.is_none());
        unread.map(|_| format!("all of them at {}", side.place)).collect()
    };
    let check = |check, details: Vec<String>| {
        let (status, found) = if details.is_empty() {
            (Status::Ok, "none hidden from this role".to_owned())
        } else {
            (Status::Warn, format!("{} hidden from this role: {}", details.len(), named(&details)))
        };
        Check::new(check, status, found)
            .hint("ask a superuser to run this check, or compare them by hand")
            .details(details)
    };
    [
        check("options of user mappings", [options(from), options(to)].concat()),
        check("contents of large objects", [objects(from), objects(to)].concat()),
    ]
}

fn statistics(to: &Survey) -> Check {
    let holds = |table: &&survey::Table| table.sum.is_none_or(|(rows, _)| rows > 0);
    let tables: Vec<_> = to.tables.iter().filter(holds).collect();
    let never: Vec<String> = tables.iter().filter(|t| !t.analysed).map(|t| t.name.clone()).collect();
    let (status, found) = if never.is_empty() {
        (Status::Ok, format!("all {} tables that hold rows were analysed", tables.len()))
    } else {
        (
            Status::Warn,
            format!("{} of {} tables were never analysed: {}", never.len(), tables.len(), named(&never)),
        )
    };
    Check::new("planner statistics", status, found)
        .hint("ANALYZE; (or vacuumdb --analyze-in-stages)")
        .details(never)
}

/// Missing rights break an application, further ones open a door.
const ACCESS: &[Rule] = &[
    Rule {
        kind: "membership",
        check: "memberships of roles",
        missing: Status::Warn,
        extra: Status::Warn,
        differs: Status::Warn,
        tell: true,
        hint: "GRANT role TO role, as it was",
    },
    Rule {
        kind: "owner",
        check: "owners",
        missing: Status::Ok,
        extra: Status::Ok,
        differs: Status::Warn,
        tell: true,
        hint: "ALTER … OWNER TO …, unless the new owner is meant",
    },
    Rule {
        kind: "grant",
        check: "grants",
        missing: Status::Fail,
        extra: Status::Warn,
        differs: Status::Warn,
        tell: true,
        hint: "GRANT what is missing; pg_dump --no-privileges leaves them out",
    },
    Rule {
        kind: "default grant",
        check: "default grants",
        missing: Status::Fail,
        extra: Status::Warn,
        differs: Status::Warn,
        tell: true,
        hint: "ALTER DEFAULT PRIVILEGES, as it was",
    },
    Rule {
        kind: "setting",
        check: "settings of database and roles",
        missing: Status::Fail,
        extra: Status::Warn,
        differs: Status::Fail,
        tell: false,
        hint: "ALTER DATABASE … SET, ALTER ROLE … SET, … CONNECTION LIMIT; pg_dump without --create leaves them out",
    },
    Rule {
        kind: "other setting",
        check: "settings of applications and idle roles",
        missing: Status::Warn,
        extra: Status::Warn,
        differs: Status::Warn,
        tell: false,
        hint: "ALTER DATABASE … SET, ALTER ROLE … SET, unless the new project has its own",
    },
];

fn access(from: &Survey, to: &Survey) -> Vec<Check> {
    let roles = |items: &[Item]| -> BTreeMap<String, String> {
        Survey::of_kind(items, "role")
            .into_iter()
            .map(|r| (r.identity.clone(), r.definition.clone()))
            .collect()
    };
    let used: BTreeSet<&str> =
        Survey::of_kind(&from.access, "used role").into_iter().map(|r| r.identity.as_str()).collect();
    let new = roles(&to.access);
    let (mut status, mut details) = (Status::Ok, Vec::new());
    for (role, was) in roles(&from.access) {
        let (worth, said) = match new.get(&role) {
            None if used.contains(role.as_str()) => {
                (Status::Fail, format!("{role} is missing, and owns or may use something"))
            }
            None => (Status::Warn, format!("{role} is missing")),
            Some(is) if *is != was => (Status::Warn, format!("{role}: {was} → {is}")),
            Some(_) => continue,
        };
        status = status.max(worth);
        details.push(said);
    }
    // What breaks comes first.
    details.sort_by_key(|said| !said.ends_with("something"));
    let found =
        if details.is_empty() { format!("{} in use, on both sides", used.len()) } else { named(&details) };
    let mut checks = vec![
        Check::new("roles", status, found)
            .hint("pg_dumpall --roles-only --no-role-passwords, then set the passwords anew")
            .details(details),
    ];
    checks.extend(ACCESS.iter().map(|rule| structure::compare(*rule, &from.access, &to.access, false)));
    checks
}

fn passwords(to: &Survey) -> Check {
    let check = "md5 passwords";
    match &to.md5_passwords {
        None => Check::new(check, Status::Warn, format!("this role may not look at {}", to.place))
            .hint("ask a superuser: SELECT rolname FROM pg_authid WHERE rolpassword LIKE 'md5%'"),
        Some(roles) if roles.is_empty() => Check::new(check, Status::Ok, "none"),
        Some(roles) => Check::new(check, Status::Warn, format!("{}: {}", roles.len(), named(roles)))
            .hint("set these passwords again: 18 warns about MD5 and a later version will refuse it")
            .details(roles.clone()),
    }
}
