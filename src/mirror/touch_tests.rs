use super::super::super::sample::{self, at, identify, touch};
use super::*;
use crate::sources::rows::{AliasRow, IdentifyRow, Touch, TouchRow};

const ANA: &str = "touchpoints:sonik_web.users:u-ana";
const BEN: &str = "touchpoints:sonik_web.users:u-ben";
const EVENT: &str = "directus:directus.events:1";

/// Touches and identifies of one's own instead of the published ones.
fn with_touches(identifies: Vec<IdentifyRow>, aliases: Vec<AliasRow>, touches: Vec<TouchRow>) -> Unspooled {
    let mut rows = sample::touchpoints();
    (rows.identifies, rows.aliases, rows.touches) = (identifies, aliases, touches);
    resolved(&sample::of(&sample::directus(), &sample::twenty(), &sample::unified(), &rows))
}

fn attended(id: &str, when: &str, device: &str, user: Option<&str>) -> TouchRow {
    touch(id, when, Some(device), user, Touch::Attended { event: Some("1".into()) })
}

fn viewed(id: &str, device: Option<&str>, user: Option<&str>, event: &str) -> TouchRow {
    touch(id, "2025-12-09T08:00:00Z", device, user, Touch::Viewed { event: Some(event.into()) })
}

fn pair(src: &str, dst: &str) -> (String, String) {
    (src.to_owned(), dst.to_owned())
}

#[test]
fn an_attendance_by_a_device_is_its_owners_unless_the_device_is_shared() {
    let graph = with_touches(
        vec![
            identify("i1", "2025-12-10T08:00:00Z", "mine", "u-ana", "ana@fans.example", "Ana"),
            identify("i2", "2025-12-10T08:00:00Z", "ours", "u-ana", "ana@fans.example", "Ana"),
        ],
        vec![],
        vec![
            attended("before", "2025-12-09T08:00:00Z", "mine", None),
            attended("after", "2025-12-11T08:00:00Z", "mine", None),
            attended("other", "2025-12-11T09:00:00Z", "ours", Some("u-ben")),
            attended("whose", "2025-12-11T10:00:00Z", "ours", None),
            attended("nobody", "2025-12-11T11:00:00Z", "foreign", None),
        ],
    );
    assert_eq!(ends(&graph, Relation::Attended), [pair(ANA, EVENT), pair(ANA, EVENT), pair(BEN, EVENT)]);
    assert_eq!(noted(&graph, "nobody is known to own"), 2, "whose, nobody");
    // `ours` was identified as Ana and used by Ben: it is nobody's.
    assert_eq!(ends(&graph, Relation::IdentifiedAs), [pair("anon:mine", ANA)]);
}

#[test]
fn an_alias_names_the_owner_of_a_device_or_joins_two_users() {
    let alias = |id: &str, from: &str, to: &str| AliasRow {
        id: id.into(),
        at: at("2025-12-10T08:00:00Z"),
        previous_id: from.into(),
        user_id: to.into(),
        schema: 0,
    };
    let graph = with_touches(
        vec![],
        vec![alias("a1", "tablet", "u-ben"), alias("a2", "u-cy", "u-ben")],
        vec![viewed("v1", Some("tablet"), None, "1"), viewed("v2", Some("tablet"), Some("u-cy"), "1")],
    );
    // u-cy and u-ben are one, so the tablet has one owner.
    assert_eq!(ends(&graph, Relation::IdentifiedAs), [pair("anon:tablet", BEN)]);
    assert_eq!(graph.node_count(Label::Visitor), 1, "a former user is no device");
    assert_eq!(ends(&graph, Relation::InterestedIn), [pair("anon:tablet", EVENT), pair(BEN, EVENT)]);
}

#[test]
fn nobody_follows_themselves_even_where_two_users_turn_out_to_be_one() {
    let follows = |id: &str, who: &str, whom: &str| {
        let touch = Touch::UserFollowed { user: Some(whom.into()) };
        self::touch(id, "2025-12-10T10:00:00Z", None, Some(who), touch)
    };
    let graph = with_touches(
        vec![],
        vec![alias("u-cy", "u-ben")],
        vec![
            follows("own", "u-ana", "u-ana"),
            follows("merged", "u-cy", "u-ben"),
            follows("other", "u-cy", "u-ana"),
        ],
    );
    assert_eq!(ends(&graph, Relation::Follows), [pair(BEN, ANA)]);
    assert_eq!(noted(&graph, "touches follow the one who follows"), 2, "own, merged");
}

#[test]
fn a_share_of_a_share_refers_from_sharer_to_sharer() {
    let share = |id: &str, minute: u8, user: &str, parent: Option<&str>| {
        let shared = Touch::Shared {
            content_url: Some("https://sonik.example/e/1?utm_source=x".into()),
            event: None,
            channel: None,
            parent: parent.map(Into::into),
        };
        touch(id, &format!("2025-12-09T08:{minute:02}:00Z"), Some("d"), Some(user), shared)
    };
    let graph = with_touches(
        vec![],
        vec![],
        vec![
            share("s1", 1, "u-ana", None),
            share("s2", 2, "u-ben", Some("s1")),
            share("s3", 3, "u-ben", Some("s1")),
            share("s4", 4, "u-ben", Some("s2")),
            share("s5", 5, "u-cy", Some("gone")),
        ],
    );
    assert_eq!(graph.edge_count(Relation::Shared), 5);
    assert_eq!(graph.node_count(Label::Content), 1);
    let [referred] = edges(&graph, Relation::Referred) else { panic!("s2 and s3 are one referral") };
    assert_eq!((&*referred.src, &*referred.dst), (ANA, BEN));
    assert_eq!(property(&referred.properties, "via"), Some(&text("s1")));
    assert_eq!(
        property(&referred.properties, "timestamp"),
        Some(&instant("2025-12-09T08:02:00Z")),
        "the earliest"
    );
    assert_eq!(noted(&graph, "the sharer's own"), 1);
    assert_eq!(noted(&graph, "a share that was not read"), 1);
}

#[test]
fn a_message_loaded_twice_is_one_touch_and_a_touch_of_an_unknown_event_is_counted() {
    let graph = with_touches(
        vec![],
        vec![],
        vec![
            attended("m1", "2025-12-09T08:00:00Z", "d", Some("u-ana")),
            attended("m1", "2025-12-09T08:00:00Z", "d", Some("u-ana")),
            viewed("m2", Some("d"), Some("u-ana"), "99"),
            viewed("m3", None, None, "1"),
        ],
    );
    assert_eq!(graph.edge_count(Relation::Attended), 1);
    assert_eq!(graph.edge_count(Relation::InterestedIn), 0);
    assert_eq!(noted(&graph, "more than once"), 1);
    assert_eq!(noted(&graph, "an event that was not read"), 1);
    assert_eq!(noted(&graph, "by nobody"), 1);
}

#[test]
fn aliases_in_a_chain_or_a_ring_are_one_person_and_a_shared_device_joins_nobody() {
    let alias = |id: &str, from: &str, to: &str| AliasRow {
        id: id.into(),
        at: at("2025-12-10T08:00:00Z"),
        previous_id: from.into(),
        user_id: to.into(),
        schema: 0,
    };
    let by = |id: &str, device: &str, user: Option<&str>| viewed(id, Some(device), user, "1");
    let graph = with_touches(
        vec![],
        vec![
            // A device, then two former names, then back to the first.
            alias("a1", "phone", "u-1"),
            alias("a2", "u-1", "u-2"),
            alias("a3", "u-2", "u-3"),
            alias("a4", "u-3", "u-1"),
            // The family's tablet: said to be two people's.
            alias("a5", "tablet", "u-1"),
            alias("a6", "tablet", "u-ben"),
        ],
        vec![by("v1", "phone", None), by("v2", "tablet", None), by("v3", "tablet", Some("u-2"))],
    );
    let one = "touchpoints:sonik_web.users:u-1";
    assert_eq!(ends(&graph, Relation::IdentifiedAs), [pair("anon:phone", one)]);
    assert_eq!(
        ends(&graph, Relation::InterestedIn),
        [pair("anon:phone", EVENT), pair("anon:tablet", EVENT), pair(one, EVENT)]
    );
    let tablet = &node(&graph, Label::Visitor, "anon:tablet").properties;
    assert_eq!(property(tablet, "shared"), Some(&Value::Boolean(true)));
    assert!(graph.nodes[&Label::Person].iter().any(|person| &*person.uid == BEN), "Ben is another");
}

fn alias(from: &str, to: &str) -> AliasRow {
    AliasRow {
        id: format!("{from}>{to}"),
        at: at("2025-12-10T08:00:00Z"),
        previous_id: from.into(),
        user_id: to.into(),
        schema: 0,
    }
}

#[test]
fn a_chain_of_devices_leads_to_the_one_user_at_its_end_and_is_known_by_its_last_link() {
    let later = |row: AliasRow, when: &str| AliasRow { at: at(when), ..row };
    let graph = with_touches(
        vec![],
        vec![
            // An old phone became a new one, that one is Ben's; of `between` no touch was ever recorded.
            alias("old", "new"),
            later(alias("older", "between"), "2025-12-12T08:00:00Z"),
            alias("between", "old"),
            later(alias("new", "u-ben"), "2025-12-11T08:00:00Z"),
        ],
        ["old", "new", "older"].map(|device| viewed(device, Some(device), None, "1")).into(),
    );
    let owned = ["between", "new", "old", "older"].map(|device| pair(&format!("anon:{device}"), BEN));
    assert_eq!(ends(&graph, Relation::IdentifiedAs), owned);
    let since: Vec<_> =
        edges(&graph, Relation::IdentifiedAs).iter().map(|e| property(&e.properties, "timestamp")).collect();
    let [known, last] = ["2025-12-11T08:00:00Z", "2025-12-12T08:00:00Z"].map(instant);
    assert_eq!(since, [Some(&known), Some(&known), Some(&known), Some(&last)]);
    assert!(
        graph.nodes[&Label::Person].iter().all(|person| !person.uid.ends_with(":new")),
        "no device is a person"
    );
    let between = &node(&graph, Label::Visitor, "anon:between").properties;
    assert_eq!(
        property(between, "refs"),
        Some(&Value::TextList(vec![
            "touchpoints:sonik_web.aliases.previous_id:between".into(),
            "touchpoints:sonik_web.aliases.user_id:between".into()
        ]))
    );
}

#[test]
fn an_alias_from_a_user_to_a_device_says_whose_the_device_is() {
    let graph =
        with_touches(vec![], vec![alias("u-ana", "tablet")], vec![viewed("v1", Some("tablet"), None, "1")]);
    assert_eq!(ends(&graph, Relation::IdentifiedAs), [pair("anon:tablet", ANA)]);
}

#[test]
fn a_chain_that_meets_a_shared_device_or_a_second_person_makes_nobody_anothers() {
    let mine = |device: &str, user: &str| identify(device, "2025-12-09T08:00:00Z", device, user, "", "");
    let graph = with_touches(
        vec![
            mine("kiosk", "u-ana"),
            mine("kiosk", "u-ben"),
            mine("phone", "u-cy"),
            mine("left", "u-ana"),
            mine("right", "u-ben"),
        ],
        vec![
            // The kiosk is two people's, and became Cy's phone; somebody's phone became the kiosk.
            alias("kiosk", "phone"),
            alias("visitor", "kiosk"),
            // Ana's and Ben's devices are said to be one visitor's.
            alias("left", "middle"),
            alias("middle", "right"),
            // A shared device that a user is said to be.
            alias("kiosk", "u-cy"),
        ],
        ["kiosk", "phone", "visitor", "left", "middle", "right"]
            .map(|device| viewed(device, Some(device), None, "1"))
            .into(),
    );
    let cy = "touchpoints:sonik_web.users:u-cy";
    assert_eq!(ends(&graph, Relation::IdentifiedAs), [pair("anon:phone", cy)]);
    let shared = |device: &str| property(&node(&graph, Label::Visitor, device).properties, "shared").cloned();
    for (device, is) in [
        ("kiosk", true),
        ("phone", false),
        ("visitor", false),
        ("left", true),
        ("middle", true),
        ("right", true),
    ] {
        assert_eq!(shared(&format!("anon:{device}")), Some(Value::Boolean(is)), "{device}");
    }
    for person in [ANA, BEN, cy] {
        node(&graph, Label::Person, person);
    }
}

proptest! {
    #[test]
    fn a_chain_of_any_length_leads_to_one_person_and_a_device_of_two_users_joins_nobody(
        devices in 1..12_usize,
        users in 1..12_usize,
        ring in any::<bool>(),
        seen in 1..4_usize,
        kiosk in proptest::option::of(0..12_usize),
        seed in any::<u64>(),
    ) {
        // d0 → d1 → … → x0 → x1 → …, perhaps back to x0; only every few of the ids were ever seen in a row of their own.
        let chain: Vec<String> =
            (0..devices).map(|n| format!("d{n}")).chain((0..users).map(|n| format!("x{n}"))).collect();
        let mut aliases: Vec<AliasRow> = chain.windows(2).map(|pair| alias(&pair[0], &pair[1])).collect();
        aliases.extend(ring.then(|| alias(&chain[chain.len() - 1], "x0")));
        // Two more people use one of the devices.
        let kiosk = kiosk.map(|n| n % devices);
        let used = |n: usize, user: &str| viewed(&format!("{user}-{n}"), Some(&format!("d{n}")), Some(user), "1");
        let mut touches: Vec<TouchRow> = (0..devices)
            .filter(|n| n % seen == 0 || n + 1 == devices)
            .map(|n| viewed(&format!("t{n}"), Some(&format!("d{n}")), None, "1"))
            .collect();
        touches.extend(kiosk.into_iter().flat_map(|n| [used(n, "u-ana"), used(n, "u-ben")]));
        let users = (0..users).map(|n| identify(&format!("i{n}"), "2025-12-09T08:00:00Z", "elsewhere", &format!("x{n}"), "", ""));
        let identifies: Vec<IdentifyRow> = users.map(|row| IdentifyRow { anonymous_id: None, ..row }).collect();

        let mut rows = sample::touchpoints();
        (rows.identifies, rows.aliases, rows.touches) = (identifies, aliases, touches);
        let facts = sample::of(&sample::directus(), &sample::twenty(), &sample::unified(), &rows);
        let graph = resolved(&facts);
        prop_assert_eq!(&resolved(&shuffled(&facts, seed)), &graph);

        // Behind the kiosk the chain leads to the users, before it to nobody.
        let first = kiosk.map_or(0, |n| n + 1);
        let one = "touchpoints:sonik_web.users:x0";
        let mut owned: Vec<_> = (first..devices).map(|n| pair(&format!("anon:d{n}"), one)).collect();
        owned.sort();
        prop_assert_eq!(ends(&graph, Relation::IdentifiedAs), owned);
        for person in [one, ANA, BEN] {
            node(&graph, Label::Person, person);
        }
    }
}
